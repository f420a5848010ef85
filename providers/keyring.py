"""Gives the drain what it needs to ask: per model the target, the pools with their limits, and the usable keys.

Reads only, in a handful of queries however many models there are; secrets are decrypted here, just before the
calls. How keys change their state stands in `services/`.
"""

from collections import defaultdict
from collections.abc import Iterable
from dataclasses import dataclass
from datetime import datetime, timedelta
from typing import Any

from django.db.models import BooleanField, Case, Exists, OuterRef, Q, QuerySet, Value, When
from django.db.models.functions import Now

from providers.errors import Unreadable
from providers.models import ApiKey, LanguageModel, Limit, LimitPool, Provider, Tier, UsageBucket
from providers.protocols import protocol_is_built
from providers.protocols.base import Target
from providers.rules.secret import Secret
from providers.rules.urls import base_url_for
from providers.secrets import secret_of
from providers.services.key_states import key_unreadable_note

TIMEOUT_S = {Tier.FAST: 60.0, Tier.MEDIUM: 120.0, Tier.SLOW: 600.0}
RECENT_CALLS = timedelta(minutes=3)
_BUILT_LIMITS = (Limit.What.REQUESTS, Limit.What.IN_FLIGHT)


@dataclass(frozen=True)
class UsableKey:
    """A key that may be used now; `secret` None: the provider needs none."""

    id: int
    pool_id: int
    last4: str
    secret: Secret | None


@dataclass(frozen=True)
class PoolLimit:
    """`amount` of `what` (`requests`, `in_flight`) per `window_ms`, None for calls at once.

    `scope` is the limiter's name for what shares it: `<pool id>`, or `<pool id>:<model id>`.
    """

    what: str
    amount: int
    window_ms: int | None
    scope: str


@dataclass(frozen=True)
class PoolFacts:
    """A pool that has usable keys, with the limits that bind one model.

    `has_recent_calls`: its provider was called within the last 3 minutes, as the usage rows say.
    """

    id: int
    resting_until: datetime | None
    limits: tuple[PoolLimit, ...]
    keys: tuple[UsableKey, ...]
    has_recent_calls: bool


@dataclass(frozen=True)
class LaneFacts:
    """All that a lane needs. `blocked` says why nothing can be asked now, "" when something can."""

    model_id: int
    provider_id: int
    target: Target
    pools: tuple[PoolFacts, ...]
    blocked: str


def lanes_for(model_ids: Iterable[int]) -> dict[int, LaneFacts]:
    """Return the facts of each model that exists, by its id. A key that cannot be decrypted leaves service."""
    models = list(with_pause(LanguageModel.objects.filter(pk__in=set(model_ids))).select_related("provider"))
    provider_ids = {model.provider_id for model in models}
    pools = LimitPool.objects.filter(provider__in=provider_ids).prefetch_related("limits").order_by("id")
    keys = _usable_keys(provider_ids)
    busy = set(_busy_provider_ids(provider_ids))
    lanes = {}
    for model in models:
        facts = tuple(
            _pool_facts(
                pool, model=model, keys=tuple(keys[pool.pk]), has_recent_calls=model.provider_id in busy
            )
            for pool in pools
            if pool.provider_id == model.provider_id and keys[pool.pk]
        )
        blocked = block_reason(model, has_keys=bool(facts))
        lanes[model.pk] = LaneFacts(model.pk, model.provider_id, target_for(model), facts, blocked)
    return lanes


def askable_model_ids() -> set[int]:
    """Return the models whose lanes are not blocked; decrypts nothing."""
    usable = usable_keys().filter(provider=OuterRef("provider"))
    models = with_pause(LanguageModel.objects.select_related("provider")).annotate(has_keys=Exists(usable))
    return {model.pk for model in models if not block_reason(model, has_keys=model.has_keys)}


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
    """Return the keys that may be used now: active ones, and resting ones whose time is over.

    The empty key of a provider that needs none counts only while no other key is in service there.
    """
    states, empty = ApiKey.State, ApiKey.Source.NONE
    others = ApiKey.objects.filter(provider=OuterRef("provider")).exclude(source=empty)
    has_others = Exists(others.exclude(state=states.DISABLED))
    is_back = Q(state__in=(states.COOLING, states.EXHAUSTED), state_until__lte=Now())
    return ApiKey.objects.filter(Q(state=states.ACTIVE) | is_back).exclude(has_others, source=empty)


def target_for(model: LanguageModel) -> Target:
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
        request_options={**provider.extra_body, **model.request_options},
        accepts_temperature=model.accepts_temperature,
        max_output_tokens=model.max_output_tokens,
        refused_fields=tuple(model.refused_fields),
        quirks=provider.quirks,
        price_provider=provider.price_provider,
        price_model=model.price_name or model.name,
        input_usd_per_mtok=model.input_usd_per_mtok,
        output_usd_per_mtok=model.output_usd_per_mtok,
        simulated=provider.is_simulated,
    )


def with_pause(models: QuerySet[LanguageModel]) -> QuerySet[LanguageModel]:
    """Annotate `is_paused`, by the database's clock: a pause with an end is over by itself."""
    pause = Q(lane=LanguageModel.Lane.PAUSED) & (Q(lane_until=None) | Q(lane_until__gt=Now()))
    return models.annotate(
        is_paused=Case(When(pause, then=Value(True)), default=Value(False), output_field=BooleanField())
    )


def _usable_keys(provider_ids: set[int]) -> dict[int, list[UsableKey]]:
    """Return the usable keys with their secrets, by pool."""
    found: dict[int, list[UsableKey]] = defaultdict(list)
    for key in usable_keys().filter(provider__in=provider_ids).select_related("provider").order_by("id"):
        try:
            secret = secret_of(key)
        except Unreadable as error:
            if key.source == ApiKey.Source.STAFF:
                key_unreadable_note(key_id=key.pk, cause=str(error))
            continue
        found[key.pool_id].append(UsableKey(key.pk, key.pool_id, key.last4, secret))
    return found


def _busy_provider_ids(provider_ids: set[int]) -> Iterable[int]:
    since = Now() - RECENT_CALLS
    recent = UsageBucket.objects.filter(provider__in=provider_ids, bucket_at__gte=since)
    return recent.values_list("provider", flat=True).distinct()


def _pool_facts(
    pool: LimitPool, *, model: LanguageModel, keys: tuple[UsableKey, ...], has_recent_calls: bool
) -> PoolFacts:
    limits = tuple(
        PoolLimit(
            what=limit.what,
            amount=limit.amount,
            window_ms=limit.per_s * 1000 or None,
            scope=f"{pool.pk}:{model.pk}" if limit.model_id else f"{pool.pk}",
        )
        for limit in pool.limits.all()
        if limit.model_id in (None, model.pk) and limit.what in _BUILT_LIMITS
    )
    return PoolFacts(pool.pk, pool.resting_until, limits, keys, has_recent_calls)
