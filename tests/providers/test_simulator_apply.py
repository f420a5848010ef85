"""Providers are pointed at a simulator and back; never where something real could be reached, never silently."""

from decimal import Decimal
from io import StringIO
from typing import Any

import pytest
from django.core.management import CommandError, call_command

from providers.environment import ProviderSettings
from providers.errors import SimulationRefused
from providers.keyring import lanes_for
from providers.models import ApiKey, LanguageModel, Provider
from providers.rules.secret import Secret
from providers.services import catalogue_load, key_create, key_test, keys_sync_environment
from providers.services.simulation import simulation_apply, simulation_restore
from providers.simulator.scenario import scenario_of
from tests.simulator import running_simulator

pytestmark = pytest.mark.django_db
SCENARIO: dict[str, Any] = {
    "providers": {
        "openai": {
            "prices": {"gpt-6-luna": {"input_usd_per_mtok": 3, "output_usd_per_mtok": 4}},
            "pools": [
                {
                    "name": "main",
                    "keys": ["sim-openai-a", "sim-openai-b"],
                    "limits": [{"what": "requests", "amount": 30}],
                }
            ],
        },
        "ai21": {},
    }
}


@pytest.fixture(autouse=True)
def _catalogue() -> None:
    catalogue_load()


def applied(values: dict[str, Any] | None = None) -> list[str]:
    specs = scenario_of(values or SCENARIO).providers
    urls = {name: f"http://127.0.0.1:9100{spec.base_path}" for name, spec in specs.items()}
    return simulation_apply(specs=specs, base_urls=urls, actor="tests")


def everything() -> list[Any]:
    """Return what the restore must bring back."""
    return [*Provider.objects.order_by("id").values(), *LanguageModel.objects.order_by("id").values()]


def test_lanes_ask_the_simulator_with_test_keys_and_mark_their_rows() -> None:
    assert applied() == ["ai21", "openai"]

    model = LanguageModel.objects.get(provider__name="openai", name="gpt-6-luna")
    lane = lanes_for([model.pk])[model.pk]
    assert (lane.blocked, lane.target.simulated) == ("", True)
    assert lane.target.base_url == "http://127.0.0.1:9100/openai/v1"
    assert [lane.target.input_usd_per_mtok, lane.target.output_usd_per_mtok] == [Decimal(3), Decimal(4)]
    assert [(limit.what, limit.amount, limit.window_ms) for limit in lane.pools[0].limits] == [
        ("requests", 30, 60_000)
    ]
    assert [key.secret for key in lane.pools[0].keys] == [Secret("sim-openai-a"), Secret("sim-openai-b")]


def test_restore_brings_back_all_that_was() -> None:
    before = everything()
    applied()
    catalogue_load()  # as the next start does
    assert simulation_restore(actor="tests") == ["ai21", "openai"]

    assert everything() == before
    assert set(ApiKey.objects.exclude(source="none").values_list("state", flat=True)) == {"disabled"}
    assert simulation_restore(actor="tests") == []


def test_second_scenario_replaces_the_first_and_restore_still_knows_the_start() -> None:
    before = everything()
    applied()
    applied({"providers": {"openai": {"pools": [{"keys": ["sim-openai-b"]}]}}})

    active = ApiKey.objects.filter(provider__name="openai", state="active")
    assert [(key.last4, key.pool.name, key.pool.limits.count()) for key in active] == [
        ("ai-b", "simulated default", 0)
    ]
    simulation_restore(actor="tests")
    assert everything() == before


def test_model_that_only_the_simulation_has_is_retired_with_it() -> None:
    applied({"providers": {"openai-compatible": {"models": ["sim-model"]}}})
    model = LanguageModel.objects.get(name="sim-model")
    assert lanes_for([model.pk])[model.pk].blocked == ""

    simulation_restore(actor="tests")
    model.refresh_from_db()
    assert (model.lane, model.is_default) == ("retired", False)


def test_production_is_refused(settings: Any) -> None:
    settings.ENVIRONMENT = "production"

    with pytest.raises(SimulationRefused, match="not simulated in production"):
        applied()


def test_real_keys_in_the_environment_are_refused_by_their_names(settings: Any) -> None:
    settings.PROVIDER_SETTINGS = {"GROQ": ProviderSettings(keys={"GROQ_API_KEY": Secret("real")})}

    with pytest.raises(SimulationRefused, match="take out GROQ_API_KEY first"):
        applied()


def test_address_in_the_environment_is_refused(settings: Any) -> None:
    settings.PROVIDER_SETTINGS = {"OPENAI": ProviderSettings(base_url="https://proxy.example/v1")}

    with pytest.raises(SimulationRefused, match="take out OPENAI_BASE_URL first"):
        applied()


def test_real_key_in_service_is_refused_and_nothing_is_changed() -> None:
    openai = Provider.objects.get(name="openai")
    key_create(provider=openai, secret=Secret("sk-real-1234"), label="work", actor="root")
    before = everything()

    with pytest.raises(SimulationRefused, match="disable openai work …1234 first"):
        applied()
    assert everything() == before


def test_key_that_comes_into_the_environment_later_stays_unused(
    settings: Any, caplog: pytest.LogCaptureFixture
) -> None:
    applied()
    settings.PROVIDER_SETTINGS = {"OPENAI": ProviderSettings(keys={"OPENAI_API_KEY": Secret("sk-real")})}
    keys_sync_environment()

    assert not ApiKey.objects.filter(source="environment").exists()
    assert "openai is simulated: its keys in the environment stay unused" in caplog.text


def test_before_the_catalogue_is_loaded_it_says_what_to_do() -> None:
    Provider.objects.all().delete()

    with pytest.raises(
        SimulationRefused, match=r"Not in the database: ai21, openai; run `manage.py prepare`"
    ):
        applied()


def test_every_provider_of_the_catalogue_knows_its_test_key_by_its_own_check() -> None:
    with running_simulator() as simulator:
        specs = simulator.engine.scenario.providers
        simulation_apply(specs=specs, base_urls=simulator.base_urls, actor="tests")
        checkable = ApiKey.objects.filter(label="simulated").exclude(provider__key_check={})
        results = {key.provider.name: key_test(key=key, actor="tests").is_ok for key in checkable}

    assert results == dict.fromkeys(specs.keys() - {"ai21"}, True)


def test_revoked_key_fails_every_check() -> None:
    with running_simulator({"faults": [{"kind": "bad_key", "strikes": "check"}]}) as simulator:
        specs = simulator.engine.scenario.providers
        simulation_apply(specs=specs, base_urls=simulator.base_urls, actor="tests")
        checkable = ApiKey.objects.filter(label="simulated").exclude(provider__key_check={})
        results = {key.provider.name: key_test(key=key, actor="tests").is_ok for key in checkable}

    assert results == dict.fromkeys(specs.keys() - {"ai21"}, False)


def test_command_says_what_it_did_and_undoes_it() -> None:
    out = StringIO()
    call_command("simulate_providers", "--apply", "--scenario=one-dead-provider", "--port=9100", stdout=out)
    call_command("simulate_providers", "--restore", stdout=out)
    call_command("simulate_providers", "--restore", stdout=out)

    lines = out.getvalue().splitlines()
    assert "openai             http://127.0.0.1:9101/openai/v1" in lines
    assert "groq               http://127.0.0.1:9100/groq/openai/v1" in lines
    assert "These providers are simulated now" in lines[11]
    assert lines[12].startswith("Restored: anthropic, cohere, deepseek")
    assert lines[13] == "No provider was simulated."


def test_command_needs_the_port_to_point_at() -> None:
    with pytest.raises(CommandError, match="--apply needs the --port"):
        call_command("simulate_providers", "--apply", "--port=0")
