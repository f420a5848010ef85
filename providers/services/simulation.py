"""Points the catalogue's providers at a simulator, and back: addresses, test keys, limits and prices of a scenario.

What stood there before is kept in `catalogue_values` of the rows, under a name that the catalogue never uses. No key
but test keys may be in service meanwhile, so that no real one is ever sent to a simulator.
"""

from collections.abc import Mapping
from datetime import datetime
from decimal import Decimal
from math import ceil
from typing import Any

from django.conf import settings
from django.db import transaction
from django.db.models import QuerySet

from providers.environment import ProviderSettings
from providers.errors import SimulationRefused
from providers.models import ApiKey, LanguageModel, LearnedLimit, Limit, LimitPool, Provider, Tier
from providers.rules.secret import Secret
from providers.secrets import field_cipher
from providers.services.key_states import key_transition
from providers.services.keys import key_create
from providers.simulator.specs import PoolSpec, Price, ProviderSpec

KEPT = "before_simulation"
KEY_LABEL = "simulated"
MODEL_SOURCE = "simulated"
_PROVIDER_FIELDS = ("base_url", "is_enabled", "is_simulated")
_MODEL_FIELDS = (
    "lane", "lane_reason", "lane_until", "refused_fields", "input_usd_per_mtok", "output_usd_per_mtok",
)  # fmt: skip


def is_pointed_at_simulator(provider: Provider) -> bool:
    """Return whether the provider's address is that of a simulator for now."""
    return KEPT in provider.catalogue_values


def simulation_apply(
    *, specs: Mapping[str, ProviderSpec], base_urls: Mapping[str, str], actor: str
) -> list[str]:
    """Point these providers at their simulated addresses, with the scenario's keys, limits and prices.

    Returns their names; all or none. Raises SimulationRefused in production, where real keys are at hand, and
    before the catalogue is loaded. A provider that is pointed already is brought to the new scenario.
    """
    providers = list(Provider.objects.filter(name__in=specs))
    _refuse_if_unsafe(providers, specs)
    with transaction.atomic():
        for provider in providers:
            _point(provider, specs[provider.name], base_url=base_urls[provider.name], actor=actor)
    return [provider.name for provider in providers]


def simulation_restore(*, actor: str) -> list[str]:
    """Give every provider back what it had before the simulation; its test keys leave service. Returns the names."""
    pointed = list(Provider.objects.filter(catalogue_values__has_key=KEPT))
    with transaction.atomic():
        for provider in pointed:
            _keys_disable(ApiKey.objects.filter(provider=provider, label=KEY_LABEL), actor=actor)
            LearnedLimit.objects.filter(pool__provider=provider, pool__keys__label=KEY_LABEL).delete()
            for model in LanguageModel.objects.filter(provider=provider):
                _model_restore(model)
            _give_back(provider)
    return [provider.name for provider in pointed]


def _refuse_if_unsafe(providers: list[Provider], specs: Mapping[str, ProviderSpec]) -> None:
    """Raise SimulationRefused unless nothing real can be reached by a simulator."""
    if settings.ENVIRONMENT == "production":
        raise SimulationRefused("Providers are not simulated in production.")
    if variables := sorted(name for one in settings.PROVIDER_SETTINGS.values() for name in one.keys):
        raise SimulationRefused(f"Real keys are in the environment: take out {', '.join(variables)} first.")
    missing = sorted(specs.keys() - {provider.name for provider in providers})
    if missing:
        raise SimulationRefused(f"Not in the database: {', '.join(missing)}; run `manage.py prepare` first.")
    moved = [
        f"{provider.env_prefix}_BASE_URL"
        for provider in providers
        if settings.PROVIDER_SETTINGS.get(provider.env_prefix, ProviderSettings()).base_url
    ]
    if moved:
        raise SimulationRefused(f"An address is set in the environment: take out {', '.join(moved)} first.")
    real = ApiKey.objects.filter(provider__in=providers).exclude(state=ApiKey.State.DISABLED)
    real = real.exclude(source=ApiKey.Source.NONE).exclude(label=KEY_LABEL).select_related("provider")
    if names := [str(key) for key in real[:5]]:
        raise SimulationRefused(
            f"Other keys than test keys are in service: disable {', '.join(names)} first."
        )


def _point(provider: Provider, spec: ProviderSpec, *, base_url: str, actor: str) -> None:
    _keep(provider, _PROVIDER_FIELDS)
    provider.base_url, provider.is_enabled, provider.is_simulated = base_url, True, True
    provider.save(update_fields=["catalogue_values", *_PROVIDER_FIELDS])
    models = {model.name: model for model in LanguageModel.objects.filter(provider=provider)}
    for name in spec.models:
        models[name] = _model_point(provider, models.get(name), name=name, price=spec.price_of(name))
    surplus = ApiKey.objects.filter(provider=provider, label=KEY_LABEL)
    for pool in spec.pools:
        row = _pool_point(provider, pool, models)
        for key in pool.keys:
            surplus = surplus.exclude(pk=_key_point(provider, row, Secret(key), actor=actor))
    _keys_disable(surplus, actor=actor)


def _model_point(
    provider: Provider, model: LanguageModel | None, *, name: str, price: Price | None
) -> LanguageModel:
    """Return the model of this name, made when missing, with the scenario's price."""
    if model is None:
        model = LanguageModel(
            provider=provider, name=name, tier=Tier.MEDIUM, is_default=True, source=MODEL_SOURCE
        )
    _keep(model, _MODEL_FIELDS)
    model.lane, model.lane_reason, model.lane_until = LanguageModel.Lane.ACTIVE, "", None
    if price:
        model.input_usd_per_mtok = Decimal(str(price.input_usd_per_mtok))
        model.output_usd_per_mtok = Decimal(str(price.output_usd_per_mtok))
    model.save()
    return model


def _pool_point(provider: Provider, spec: PoolSpec, models: Mapping[str, LanguageModel]) -> LimitPool:
    """Return the pool with the scenario's limits, so that the service knows them as an operator would enter them."""
    pool, _ = LimitPool.objects.update_or_create(
        provider=provider,
        name=f"simulated {spec.name}"[:60],
        defaults={"resting_until": None, "resting_reason": ""},
    )
    pool.limits.all().delete()
    for limit in spec.limits:
        at_end = limit.counts == "completion"
        Limit.objects.create(
            pool=pool,
            model=models[limit.model] if limit.model else None,
            what=limit.what,
            amount=limit.amount,
            per_s=0 if limit.what == "in_flight" else max(1, ceil(limit.per_s)),
            counted_at=Limit.CountedAt.COMPLETION if at_end else Limit.CountedAt.ADMISSION,
        )
    return pool


def _key_point(provider: Provider, pool: LimitPool, secret: Secret, *, actor: str) -> int:
    """Return the id of the test key, made when missing, in service in its pool."""
    prints = field_cipher().fingerprints(secret)
    key = ApiKey.objects.filter(provider=provider, fingerprint__in=prints).first()
    if key is None:
        return key_create(provider=provider, secret=secret, label=KEY_LABEL, pool=pool, actor=actor).pk
    ApiKey.objects.filter(pk=key.pk).update(pool=pool, label=KEY_LABEL)
    key_transition(key_id=key.pk, to_state=ApiKey.State.ACTIVE, cause="simulation begun", actor=actor)
    return key.pk


def _keys_disable(keys: QuerySet[ApiKey], *, actor: str) -> None:
    for key in keys:
        key_transition(key_id=key.pk, to_state=ApiKey.State.DISABLED, cause="simulation ended", actor=actor)


def _model_restore(model: LanguageModel) -> None:
    """Give a model back what it had; one that the simulation made stays for its answers, but is not asked."""
    _give_back(model)
    if model.source == MODEL_SOURCE:
        model.is_default, model.lane, model.lane_reason = False, LanguageModel.Lane.RETIRED, "only simulated"
        model.save(update_fields=["is_default", "lane", "lane_reason"])


def _keep(row: Provider | LanguageModel, names: tuple[str, ...]) -> None:
    """Remember the row's values, unless those from before are remembered already."""
    kept = {name: _plain(getattr(row, name)) for name in names}
    row.catalogue_values = {KEPT: kept, **row.catalogue_values}


def _plain(value: Any) -> Any:
    return str(value) if isinstance(value, Decimal | datetime) else value


def _give_back(row: Provider | LanguageModel) -> None:
    """Put back what was remembered, if anything was."""
    values = dict(row.catalogue_values)
    kept = values.pop(KEPT, None)
    if kept is None:
        return
    for name, value in kept.items():
        setattr(row, name, value)
    row.catalogue_values = values
    row.save(update_fields=["catalogue_values", *kept])
