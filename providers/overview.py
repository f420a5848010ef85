"""What a page or an answer about one or all providers shows: their state in words, pools with limits, keys, models.

Nothing here is a secret, and a fixed number of queries is made however many rows there are.
"""

from collections.abc import Iterable
from dataclasses import dataclass
from datetime import datetime
from typing import Any

from django.db.models import Prefetch

from providers.models import ApiKey, LanguageModel, LearnedLimit, Limit, LimitPool, Provider
from providers.protocols import protocol_is_built
from providers.selectors import blocked_reasons, providers_at_a_glance, usable_counts


@dataclass(frozen=True, slots=True)
class ModelView:
    """A model; `blocked`: why it cannot be asked now, "" when it can."""

    model: LanguageModel
    blocked: str


@dataclass(frozen=True, slots=True)
class PoolView:
    """A pool with its keys and what binds them: `limits` as configured, `learned` as answers stated them."""

    pool: LimitPool
    keys: list[ApiKey]
    limits: list[Limit]
    learned: list[LearnedLimit]


@dataclass(frozen=True, slots=True)
class ProviderView:
    """A provider at a glance. `last_ok_at` None: no key of it ever worked."""

    provider: Provider
    state: str
    n_keys: int
    n_usable: int
    last_ok_at: datetime | None
    models: list[ModelView]
    pools: list[PoolView]


def provider_state(
    provider: Provider, *, n_usable: int, has_default: bool, last_ok_at: datetime | None
) -> str:
    """Return in a few words whether a provider could answer now; “answers now” needs a key that worked before."""
    if not provider.is_enabled:
        return "sunset" if provider.service == Provider.Service.SUNSET else "off"
    if not protocol_is_built(provider.protocol):
        return "not supported yet"
    if not n_usable:
        return "no usable key"
    if not has_default:
        return "no model to ask"
    return "answers now" if last_ok_at else "never worked"


def provider_states(provider_ids: Iterable[int] | None = None) -> dict[int, tuple[str, datetime | None]]:
    """Return provider id → its state in words and when it last answered, for all or for some."""
    found = providers_at_a_glance()
    providers: list[Any] = list(found if provider_ids is None else found.filter(pk__in=list(provider_ids)))
    usable = usable_counts(one.pk for one in providers)
    return {
        one.pk: (
            provider_state(
                one, n_usable=usable.get(one.pk, 0), has_default=one.has_default, last_ok_at=one.last_ok_at
            ),
            one.last_ok_at,
        )
        for one in providers
    }


def provider_views(provider_ids: Iterable[int]) -> list[ProviderView]:
    """Return providers with their models, pools and keys, by name."""
    pools = LimitPool.objects.order_by("id").prefetch_related(
        Prefetch("keys", queryset=ApiKey.objects.select_related("provider").order_by("id")),
        Prefetch("limits", queryset=Limit.objects.select_related("model")),
        Prefetch("learned_limits", queryset=LearnedLimit.objects.select_related("model")),
    )
    models = LanguageModel.objects.select_related("provider").order_by("-is_default", "name")
    providers = list(
        Provider.objects.filter(pk__in=list(provider_ids))
        .order_by("name")
        .prefetch_related(Prefetch("pools", queryset=pools), Prefetch("language_models", queryset=models))
    )
    ids = [one.pk for one in providers]
    states, usable = provider_states(ids), usable_counts(ids)
    blocked = blocked_reasons(model.pk for one in providers for model in one.language_models.all())
    return [_view(one, states=states, usable=usable, blocked=blocked) for one in providers]


def _view(
    provider: Provider,
    *,
    states: dict[int, tuple[str, datetime | None]],
    usable: dict[int, int],
    blocked: dict[int, str],
) -> ProviderView:
    state, last_ok_at = states[provider.pk]
    pools = [
        PoolView(pool, list(pool.keys.all()), list(pool.limits.all()), list(pool.learned_limits.all()))
        for pool in provider.pools.all()
    ]
    return ProviderView(
        provider=provider,
        state=state,
        n_keys=sum(len(pool.keys) for pool in pools),
        n_usable=usable.get(provider.pk, 0),
        last_ok_at=last_ok_at,
        models=[ModelView(model, blocked.get(model.pk, "")) for model in provider.language_models.all()],
        pools=pools,
    )
