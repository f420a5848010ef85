"""Loads `catalogue.toml` and the overrides of the environment into rows, as often as wanted.

Who wins: a variable that is set, else what staff changed, else the catalogue. `catalogue_values` holds what was
loaded last: a field that still equals it follows, a field that differs was changed by staff and is left alone.
Limits stand in `catalogue_limits.py`, keys in `services/environment_keys.py`.
"""

from typing import Any

from django.conf import settings
from django.db import transaction
from django.db.models import Field

from providers.catalogue_limits import limits_load
from providers.discovery import DISCOVERED, model_discover
from providers.environment import ProviderSettings, catalogue_entries
from providers.models import CatalogueRow, LanguageModel, Provider

FROM_ENVIRONMENT = "environment"
_PROVIDER_FIELDS = (
    "label", "service", "is_enabled", "protocol", "base_url", "chat_path", "env_prefix", "auth_style", "needs_key",
    "extra_headers", "output_cap_field", "extra_body", "quirks", "key_check", "price_provider",
)  # fmt: skip
_MODEL_FIELDS = (
    "tier", "is_default", "max_output_tokens", "context_tokens", "accepts_temperature", "request_options", "price_name",
)  # fmt: skip


def catalogue_load() -> None:
    """Bring providers, models and limits to the catalogue and the environment. Safe to repeat."""
    for entry in catalogue_entries():
        overrides = settings.PROVIDER_SETTINGS.get(entry["env_prefix"], ProviderSettings())
        with transaction.atomic():
            provider = _provider_load(entry, overrides)
            _models_load(provider, entry, overrides)
            limits_load(provider, entry.get("limits", {}), overrides)
        if overrides.base_url and not overrides.model and not provider.needs_key:
            model_discover(provider=provider, secret=next(iter(overrides.keys.values()), None))


def _provider_load(entry: dict[str, Any], overrides: ProviderSettings) -> Provider:
    provider = Provider.objects.filter(name=entry["name"]).first() or Provider(name=entry["name"])
    forced: dict[str, Any] = {}
    if overrides.base_url:
        forced["base_url"] = overrides.base_url
        if not entry.get("needs_key", True):
            forced["is_enabled"] = True  # a server of one's own is on as soon as it is named
    _row_load(provider, _values(Provider, _PROVIDER_FIELDS, entry), forced=forced, facts=entry)
    return provider


def _models_load(provider: Provider, entry: dict[str, Any], overrides: ProviderSettings) -> None:
    known = {model.name: model for model in LanguageModel.objects.filter(provider=provider)}
    listed = {one["name"]: one for one in entry.get("models", [])}
    for name, one in listed.items():
        values = _values(LanguageModel, _MODEL_FIELDS, one)
        _model_load(
            known.get(name) or LanguageModel(provider=provider, name=name), values, overrides, facts=entry
        )
    managed = {name for name, model in known.items() if model.catalogue_values} | {overrides.model or ""}
    for name in managed - listed.keys() - {""}:
        model = known.get(name) or LanguageModel(provider=provider, name=name, source=FROM_ENVIRONMENT)
        values = {"tier": _tier(entry), "is_default": model.source == DISCOVERED}
        _model_load(model, values, overrides, facts={"source": model.source})


def _model_load(
    model: LanguageModel, values: dict[str, Any], overrides: ProviderSettings, *, facts: dict[str, Any]
) -> None:
    """Load one model; the one that the environment names is the provider's only default."""
    forced = {}
    if overrides.model:
        values["is_default"] = model.name == overrides.model
        forced = {"is_default": True} if values["is_default"] else {}
    _row_load(model, values, forced=forced, facts=facts)


def _tier(entry: dict[str, Any]) -> str:
    """Return the tier of the provider's default model, for models that the catalogue does not list."""
    return next((one["tier"] for one in entry.get("models", []) if one["is_default"]), "slow")


def _values(row_class: type[CatalogueRow], names: tuple[str, ...], entry: dict[str, Any]) -> dict[str, Any]:
    return {name: entry[name] if name in entry else _default(row_class, name) for name in names}


def _default(row_class: type[CatalogueRow], name: str) -> Any:
    field = row_class._meta.get_field(name)
    return field.get_default() if isinstance(field, Field) else None


def _row_load(
    row: CatalogueRow, values: dict[str, Any], *, forced: dict[str, Any], facts: dict[str, Any]
) -> None:
    """Give `row` the values that staff did not change, and the forced ones in any case."""
    loaded_before = row.catalogue_values
    for name, value in values.items():
        untouched = loaded_before.get(name, _default(type(row), name))
        if row.pk is None or getattr(row, name) == untouched:
            setattr(row, name, value)
    for name, value in forced.items():
        setattr(row, name, value)
    row.catalogue_values = {**loaded_before, **values, **forced}
    row.source, row.checked_on = facts.get("source", ""), facts.get("checked")
    row.save()
