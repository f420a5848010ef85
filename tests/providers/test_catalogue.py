"""The catalogue in rows: loading is repeatable, staff's changes stay, a variable wins."""

from typing import Any

import pytest
from django.forms.models import model_to_dict

from providers.catalogue import catalogue_load
from providers.environment import ProviderSettings, catalogue_entries
from providers.models import LanguageModel, Limit, Protocol, Provider, Tier
from providers.prices import cost_usd
from tests.providers.targets import make_target

pytestmark = pytest.mark.django_db


def load_with(settings: Any, prefix: str = "OPENAI", **values: Any) -> None:
    """Load with the overrides of one provider."""
    settings.PROVIDER_SETTINGS = {prefix: ProviderSettings(**values)} if values else {}
    catalogue_load()


def rows() -> list[dict[str, Any]]:
    """Return all rows that loading makes."""
    classes = (Provider, LanguageModel, Limit)
    return [
        model_to_dict(row) | {"pk": row.pk}
        for row_class in classes
        for row in row_class.objects.order_by("pk")
    ]


def limits_of(provider: str) -> dict[tuple[str, int], tuple[int, str]]:
    """Return a provider's limits as (what, per_s) → (amount, source)."""
    found = Limit.objects.filter(pool__provider__name=provider)
    return {(limit.what, limit.per_s): (limit.amount, limit.source) for limit in found}


def default_models(provider: str) -> set[str]:
    """Return the names of a provider's default models."""
    return set(
        LanguageModel.objects.filter(provider__name=provider, is_default=True).values_list("name", flat=True)
    )


def test_loading_is_repeatable() -> None:
    catalogue_load()
    first = rows()
    catalogue_load()

    assert rows() == first
    assert Provider.objects.count() == 13


def test_every_row_is_valid() -> None:
    catalogue_load()

    for provider in Provider.objects.all():
        provider.full_clean()
        assert provider.source
        assert provider.checked_on
    for model in LanguageModel.objects.all():
        model.full_clean()
    assert all(entry["protocol"] in Protocol.values for entry in catalogue_entries())
    assert all(
        model["tier"] in Tier.values for entry in catalogue_entries() for model in entry.get("models", [])
    )


def test_each_live_provider_has_one_default_model() -> None:
    catalogue_load()

    asked = {entry["name"] for entry in catalogue_entries() if entry.get("models")}
    assert {name: len(default_models(name)) for name in asked} == dict.fromkeys(asked, 1)


def test_retired_service_is_off() -> None:
    catalogue_load()

    provider = Provider.objects.get(name="ai21")
    assert (provider.service, provider.is_enabled) == ("sunset", False)


def test_every_model_of_the_catalogue_has_a_price() -> None:
    from datetime import UTC, datetime

    for entry in catalogue_entries():
        for model in entry.get("models", []) if entry.get("price_provider") else []:
            target = make_target(entry["name"], model=model["name"])
            at = datetime(2026, 11, 24, tzinfo=UTC)
            assert cost_usd(target, input_tokens=1000, output_tokens=1000, cached_tokens=0, at=at), model[
                "name"
            ]


def test_staff_changes_stay() -> None:
    catalogue_load()
    Provider.objects.filter(name="openai").update(label="Ours", is_enabled=False)
    LanguageModel.objects.filter(name="gpt-6-luna", provider__name="openai").update(
        tier="slow", is_default=False
    )
    Limit.objects.filter(pool__provider__name="openai", what="requests").update(amount=9, source="staff")
    Limit.objects.filter(pool__provider__name="openai", what="in_flight").delete()

    catalogue_load()

    openai = Provider.objects.get(name="openai")
    assert (openai.label, openai.is_enabled) == ("Ours", False)
    assert LanguageModel.objects.get(name="gpt-6-luna", provider=openai).tier == "slow"
    assert default_models("openai") == set()
    assert limits_of("openai") == {("requests", 60): (9, "staff")}


def test_untouched_values_follow_a_new_catalogue(monkeypatch: pytest.MonkeyPatch) -> None:
    catalogue_load()
    Provider.objects.filter(name="groq").update(label="Ours")
    newer = [
        {**entry, "label": "Newer", "chat_path": "/newer", "limits": {"requests": 77}}
        if entry["name"] == "groq"
        else entry
        for entry in catalogue_entries()
    ]
    monkeypatch.setattr("providers.catalogue.catalogue_entries", lambda: newer)

    catalogue_load()

    groq = Provider.objects.get(name="groq")
    assert (groq.label, groq.chat_path) == ("Ours", "/newer")
    assert limits_of("groq") == {("requests", 60): (77, "catalogue")}


def test_variables_win_and_their_removal_restores(settings: Any) -> None:
    catalogue_load()
    before = rows()

    load_with(
        settings, model="gpt-6.1-sol", base_url="http://127.0.0.1:1/v1", rpm=30, tpm=9000, max_in_flight=4
    )

    assert Provider.objects.get(name="openai").base_url == "http://127.0.0.1:1/v1"
    assert default_models("openai") == {"gpt-6.1-sol"}
    assert limits_of("openai") == {
        ("requests", 60): (30, "environment"),
        ("tokens", 60): (9000, "environment"),
        ("in_flight", 0): (4, "environment"),
    }
    load_with(settings)
    assert rows() == before


def test_variable_names_a_model_that_nobody_knew(settings: Any) -> None:
    load_with(settings, model="gpt-new")
    model = LanguageModel.objects.get(name="gpt-new")

    assert default_models("openai") == {"gpt-new"}
    assert (model.tier, model.source, model.input_usd_per_mtok) == ("fast", "environment", None)
    load_with(settings)
    assert default_models("openai") == {"gpt-6-luna"}


def test_variable_wins_over_staff(settings: Any) -> None:
    catalogue_load()
    Limit.objects.filter(pool__provider__name="openai", what="requests").update(amount=9, source="staff")

    load_with(settings, rpm=30)

    assert limits_of("openai")[("requests", 60)] == (30, "environment")


def test_model_of_staff_is_left_alone(settings: Any) -> None:
    catalogue_load()
    openai = Provider.objects.get(name="openai")
    LanguageModel.objects.create(provider=openai, name="ours", is_default=True, tier="slow")

    load_with(settings, model="gpt-6.1-sol")

    assert default_models("openai") == {"ours", "gpt-6.1-sol"}
    assert LanguageModel.objects.get(name="ours").catalogue_values == {}


def test_own_server_is_off_until_named(settings: Any) -> None:
    catalogue_load()
    assert not Provider.objects.get(name="openai-compatible").is_enabled

    load_with(settings, "OPENAI_COMPATIBLE", base_url="http://127.0.0.1:9", model="smol")

    assert Provider.objects.get(name="openai-compatible").is_enabled
    assert default_models("openai-compatible") == {"smol"}
    assert limits_of("openai-compatible") == {("in_flight", 0): (2, "catalogue")}
    load_with(settings)
    assert not Provider.objects.get(name="openai-compatible").is_enabled


def test_own_server_that_does_not_answer_gets_a_placeholder(settings: Any) -> None:
    load_with(settings, "OPENAI_COMPATIBLE", base_url="http://127.0.0.1:9")

    assert default_models("openai-compatible") == {"default"}
