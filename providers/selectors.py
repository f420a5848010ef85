"""Reads about providers and keys for people and programs: never a secret, whoever asks.

What the drain reads stands in `keyring.py`.
"""

from collections.abc import Iterable
from dataclasses import dataclass, field

from django.db.models import Count, Exists, Max, OuterRef, Prefetch, Q, QuerySet

from providers.errors import UnknownProvider
from providers.keyring import block_reason, has_usable_key, usable_keys, with_pause
from providers.models import ApiKey, LanguageModel, Provider
from providers.protocols import protocol_is_built


@dataclass(frozen=True, slots=True)
class KeysOfProvider:
    """A provider's keys, oldest first. `usable` counts those that a question could use now."""

    provider: str
    keys: list[ApiKey]
    usable: int
    total: int


@dataclass(frozen=True, slots=True)
class KeysOverview:
    """All keys by provider; providers without keys are in it too."""

    providers: list[KeysOfProvider] = field(default_factory=list)

    @property
    def usable_keys(self) -> int:
        return sum(one.usable for one in self.providers)


def blocked_reasons(model_ids: Iterable[int]) -> dict[int, str]:
    """Return why each of these models cannot be asked now, "" for those that can; unknown ids are left out."""
    models = with_pause(LanguageModel.objects.filter(pk__in=set(model_ids)).select_related("provider"))
    return {
        model.pk: block_reason(model, has_keys=model.has_keys)
        for model in models.annotate(has_keys=has_usable_key())
    }


def keys_overview(*, provider: str = "") -> KeysOverview:
    """Return the keys of all providers, or of one; raises UnknownProvider for a name that there is not."""
    keys = ApiKey.objects.select_related("pool").order_by("id")
    providers = list(Provider.objects.order_by("name").prefetch_related(Prefetch("keys", queryset=keys)))
    chosen = [one for one in providers if provider in ("", one.name)]
    if not chosen:
        text = f"There is no provider {provider[:40]!r}."
        raise UnknownProvider(text, fields={"provider": [text]})
    usable = set(usable_keys().values_list("pk", flat=True))
    return KeysOverview([_keys_of(one, usable) for one in chosen])


def provider_can_answer(provider: Provider) -> bool:
    """Return whether anything could be asked of the provider at all, keys aside."""
    return provider.is_enabled and protocol_is_built(provider.protocol)


def providers_at_a_glance() -> QuerySet[Provider]:
    """Annotate `n_keys`, `last_ok_at` and `has_default` (a default model that is not retired)."""
    in_service = ~Q(keys__state=ApiKey.State.DISABLED)
    defaults = LanguageModel.objects.filter(provider=OuterRef("pk"), is_default=True)
    return Provider.objects.annotate(
        n_keys=Count("keys", filter=in_service),
        last_ok_at=Max("keys__last_ok_at"),
        has_default=Exists(defaults.exclude(lane=LanguageModel.Lane.RETIRED)),
    )


def usable_counts(provider_ids: Iterable[int]) -> dict[int, int]:
    """Return how many keys of each provider could be used now; providers without any are left out."""
    counted = usable_keys().filter(provider__in=list(provider_ids)).order_by().values("provider")
    return {row["provider"]: row["n"] for row in counted.annotate(n=Count("pk"))}


def _keys_of(provider: Provider, usable: set[int]) -> KeysOfProvider:
    keys = list(provider.keys.all())
    n_usable = sum(key.pk in usable for key in keys) if provider_can_answer(provider) else 0
    return KeysOfProvider(provider.name, keys, n_usable, len(keys))
