"""Gives the drain what it needs to ask: per model the target, the pools with their limits, and the usable keys.

Reads only, in a handful of queries however many models there are; secrets are decrypted here, just before the
calls. How keys change their state stands in `services/`.
"""

from collections import defaultdict
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass, replace
from datetime import timedelta
from typing import Any

from django.db.models import BooleanField, Case, Exists, OuterRef, Q, QuerySet, Value, When
from django.db.models.functions import Now

from providers.errors import Unreadable
from providers.facts import LONG_WINDOW_MS, LaneFacts, PoolFacts, PoolLimit, UsableKey
from providers.models import (
    ApiKey,
    KeyModelPause,
    LanguageModel,
    LearnedLimit,
    Limit,
    LimitPool,
    ModelPrice,
    Provider,
    Tier,
    UsageBucket,
)
from providers.protocols import protocol_is_built
from providers.protocols.base import DatedPrice, Target
from providers.protocols.request_fields import merged
from providers.rules.urls import base_url_for
from providers.secrets import secret_of
from providers.services.key_states import key_unreadable_note

TIMEOUT_S = {Tier.FAST: 60.0, Tier.MEDIUM: 120.0, Tier.SLOW: 600.0}
RECENT_CALLS = timedelta(minutes=3)
LEARNED_FOR = timedelta(days=1)  # then a limit that answers stated is forgotten


def lanes_for(model_ids: Iterable[int]) -> dict[int, LaneFacts]:
    """Return the facts of each model that exists, by its id. A key that cannot be decrypted leaves service."""
    models = list(with_pause(LanguageModel.objects.filter(pk__in=set(model_ids))).select_related("provider"))
    provider_ids = {model.provider_id for model in models}
    read = _Read(
        pools=list(
            LimitPool.objects.filter(provider__in=provider_ids).prefetch_related("limits").order_by("id")
        ),
        keys=_usable_keys(provider_ids),
        pauses=_pauses([model.pk for model in models]),
        learned=_learned([model.pk for model in models]),
        busy=set(_busy_provider_ids(provider_ids)),
        prices=_prices([model.pk for model in models]),
    )
    return {model.pk: _lane_facts(model, read) for model in models}


@dataclass(frozen=True)
class _Read:
    """The rows that the facts of several lanes are made of."""

    pools: list[LimitPool]
    keys: dict[int, list[UsableKey]]
    pauses: dict[tuple[int, int], bool]
    learned: dict[tuple[int, int], list[LearnedLimit]]
    busy: set[int]
    prices: dict[int, tuple[DatedPrice, ...]]


def _lane_facts(model: LanguageModel, read: _Read) -> LaneFacts:
    pools = []
    for pool in read.pools:
        keys = _keys_for_model(read.keys[pool.pk], model_id=model.pk, pauses=read.pauses)
        if pool.provider_id == model.provider_id and keys:
            limits = limits_for(pool, model=model, learned=read.learned.get((pool.pk, model.pk), []))
            pools.append(PoolFacts(pool.pk, pool.resting_until, limits, keys, model.provider_id in read.busy))
    target = target_for(model, prices=read.prices.get(model.pk, ()))
    blocked = block_reason(model, has_keys=bool(pools))
    return LaneFacts(model.pk, model.provider_id, target, tuple(pools), blocked)


def askable_model_ids() -> set[int]:
    """Return the models whose lanes are not blocked; decrypts nothing."""
    models = with_pause(LanguageModel.objects.select_related("provider")).annotate(has_keys=has_usable_key())
    return {model.pk for model in models if not block_reason(model, has_keys=model.has_keys)}


def has_usable_key() -> Exists:
    """Return the condition that a language model has a key that may be used for it now."""
    pauses = KeyModelPause.objects.filter(key=OuterRef("pk"), model=OuterRef(OuterRef("pk")), until__gt=Now())
    return Exists(usable_keys().filter(~Exists(pauses), provider=OuterRef("provider")))


def block_reason(model: Any, *, has_keys: bool) -> str:
    """Return why a model (from `with_pause`) cannot be asked now, in words for people; "" when it can."""
    provider = model.provider
    if not provider.is_enabled:
        is_sunset = provider.service == Provider.Service.SUNSET
        return "the provider has retired this service" if is_sunset else "provider disabled"
    if not protocol_is_built(provider.protocol):
        return "its wire format is not supported yet"
    if model.lane == LanguageModel.Lane.RETIRED:
        return f"model retired: {model.lane_reason}" if model.lane_reason else "model retired"
    if model.is_paused:
        return f"paused: {model.lane_reason}" if model.lane_reason else "paused by staff"
    return "" if has_keys else "no usable key"


def usable_keys() -> QuerySet[ApiKey]:
    """Return the keys that may be used now, if only for one call that finds out whether they work again.

    In full service are active keys and those that have cooled; an exhausted one whose reset has come and one
    that is being tried wait for that one call (`_gate_of`). Keys of a resting pool wait with it. The empty key
    of a provider that needs none counts only while no other key is in service there.
    """
    states, empty = ApiKey.State, ApiKey.Source.NONE
    others = ApiKey.objects.filter(provider=OuterRef("provider")).exclude(source=empty)
    has_others = Exists(others.exclude(state=states.DISABLED))
    is_back = Q(state__in=(states.COOLING, states.EXHAUSTED), state_until__lte=Now())
    is_tried = Q(state=states.PROBING, state_until=None)
    is_awake = Q(pool__resting_until=None) | Q(pool__resting_until__lte=Now())
    keys = ApiKey.objects.filter(Q(state=states.ACTIVE) | is_back | is_tried, is_awake)
    return keys.exclude(has_others, source=empty)


def target_for(model: LanguageModel, *, prices: tuple[DatedPrice, ...] = ()) -> Target:
    """Return a model with its provider as the data that protocols and prices work on."""
    provider = model.provider
    return Target(
        provider=provider.name,
        protocol=provider.protocol,
        base_url=base_url_for(provider.base_url, provider.quirks),
        chat_path=provider.chat_path,
        auth_style=provider.auth_style,
        model=model.name,
        output_cap_field=provider.output_cap_field,
        timeout_s=TIMEOUT_S[Tier(model.tier)],
        extra_headers=provider.extra_headers,
        request_options=merged(provider.extra_body, model.request_options),
        accepts_temperature=model.accepts_temperature,
        max_output_tokens=model.max_output_tokens,
        refused_fields=tuple(model.refused_fields),
        quirks=provider.quirks,
        price_provider=provider.price_provider,
        price_model=model.price_name or model.name,
        input_usd_per_mtok=model.input_usd_per_mtok,
        output_usd_per_mtok=model.output_usd_per_mtok,
        simulated=provider.is_simulated,
        dated_prices=prices,
    )


def with_pause(models: QuerySet[LanguageModel]) -> QuerySet[LanguageModel]:
    """Annotate `is_paused`, by the database's clock: a pause with an end is over by itself."""
    pause = Q(lane=LanguageModel.Lane.PAUSED) & (Q(lane_until=None) | Q(lane_until__gt=Now()))
    return models.annotate(
        is_paused=Case(When(pause, then=Value(True)), default=Value(False), output_field=BooleanField())
    )


def limits_for(
    pool: LimitPool, *, model: LanguageModel, learned: Sequence[LearnedLimit] = ()
) -> tuple[PoolLimit, ...]:
    """Return the limits that bind a model within a pool; what answers state binds where it is lower."""
    stated = {(one.what, one.per_s): one.amount for one in learned}
    limits = [
        PoolLimit(
            what=limit.what,
            amount=min(limit.amount, stated.pop((limit.what, limit.per_s), limit.amount)),
            window_ms=limit.per_s * 1000 or None if limit.resets == Limit.Resets.ROLLING else None,
            scope=f"{pool.pk}:{model.pk}" if limit.model_id else f"{pool.pk}",
            resets=limit.resets,
            zone=limit.reset_zone,
            at_completion=limit.counted_at == Limit.CountedAt.COMPLETION,
        )
        for limit in pool.limits.all()
        if limit.model_id in (None, model.pk)
    ]
    limits += [
        PoolLimit(what, amount, per_s * 1000, f"{pool.pk}:{model.pk}", is_learned=True)
        for (what, per_s), amount in stated.items()
        if per_s * 1000 <= LONG_WINDOW_MS
    ]
    return tuple(limits)


def _usable_keys(provider_ids: set[int]) -> dict[int, list[UsableKey]]:
    """Return the usable keys with their secrets, by pool."""
    found: dict[int, list[UsableKey]] = defaultdict(list)
    keys = usable_keys().filter(provider__in=provider_ids).select_related("provider", "pool").order_by("id")
    for key in keys:
        try:
            secret = secret_of(key)
        except Unreadable as error:
            if key.source == ApiKey.Source.STAFF:
                key_unreadable_note(key_id=key.pk, cause=str(error))
            continue
        found[key.pool_id].append(UsableKey(key.pk, key.pool_id, key.last4, secret, _gate_of(key)))
    return found


def _gate_of(key: ApiKey) -> str:
    """Return the gate of a usable key that is not in full service, "" for one that is."""
    if key.pool.resting_until is not None:  # its rest is over, and nothing has worked since
        return f"pool:{key.pool_id}"
    return f"key:{key.pk}" if key.state in (ApiKey.State.EXHAUSTED, ApiKey.State.PROBING) else ""


def _keys_for_model(
    keys: Sequence[UsableKey], *, model_id: int, pauses: Mapping[tuple[int, int], bool]
) -> tuple[UsableKey, ...]:
    """Leave out the keys that are paused for the model; one whose pause is over is tried by one call."""
    found = []
    for key in keys:
        is_paused = pauses.get((key.id, model_id))
        if is_paused is None:
            found.append(key)
        elif not is_paused:
            found.append(replace(key, gate=key.gate or f"pair:{key.id}:{model_id}"))
    return tuple(found)


def _pauses(model_ids: Sequence[int]) -> dict[tuple[int, int], bool]:
    """Return (key, model) → whether the pause still runs, by the database's clock."""
    runs = Case(When(until__gt=Now(), then=Value(True)), default=Value(False), output_field=BooleanField())
    rows = KeyModelPause.objects.filter(model__in=model_ids).annotate(runs=runs)
    return {(key_id, model_id): is_on for key_id, model_id, is_on in rows.values_list("key", "model", "runs")}


def _learned(model_ids: Sequence[int]) -> dict[tuple[int, int], list[LearnedLimit]]:
    found: dict[tuple[int, int], list[LearnedLimit]] = defaultdict(list)
    for one in LearnedLimit.objects.filter(model__in=model_ids, seen_at__gte=Now() - LEARNED_FOR):
        found[one.pool_id, one.model_id].append(one)
    return found


def _prices(model_ids: Sequence[int]) -> dict[int, tuple[DatedPrice, ...]]:
    found: dict[int, tuple[DatedPrice, ...]] = {}
    for one in ModelPrice.objects.filter(model__in=model_ids).order_by("valid_from"):
        price = DatedPrice(
            one.valid_from, one.input_usd_per_mtok, one.output_usd_per_mtok, one.cached_usd_per_mtok
        )
        found[one.model_id] = (*found.get(one.model_id, ()), price)
    return found


def _busy_provider_ids(provider_ids: set[int]) -> Iterable[int]:
    since = Now() - RECENT_CALLS
    recent = UsageBucket.objects.filter(provider__in=provider_ids, bucket_at__gte=since)
    return recent.values_list("provider", flat=True).distinct()
