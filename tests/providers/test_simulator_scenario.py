"""A scenario file says what is wrong with it, key by key; the shipped ones are right and documented."""

import inspect
import re
from pathlib import Path
from typing import Any

import pytest
from django.conf import settings
from hypothesis import given
from hypothesis import strategies as st

from providers.simulator import fault_tables
from providers.simulator import scenario as scenario_module
from providers.simulator.dialects import error_kinds
from providers.simulator.draws import Distribution, Draws
from providers.simulator.faults import ANSWER_KINDS, DEED_KINDS
from providers.simulator.scenario import (
    SCENARIOS_DIR,
    ScenarioError,
    scenario_of,
    scenario_path,
    scenario_read,
)

SHIPPED = sorted(path.stem for path in SCENARIOS_DIR.glob("*.toml"))


@pytest.mark.parametrize("name", SHIPPED)
def test_shipped_scenario_is_right(name: str) -> None:
    assert scenario_read(scenario_path(name)).title


def test_without_providers_all_of_the_catalogue_are_simulated() -> None:
    assert len(scenario_of({}).providers) == 13


def test_limits_come_from_the_pool_else_the_provider_else_the_defaults() -> None:
    def limits(n: int) -> list[dict[str, Any]]:
        return [{"what": "requests", "amount": n}]

    pools = [{"name": "own", "limits": limits(3)}, {"name": "none", "limits": []}, {"name": "usual"}]
    scenario = scenario_of(
        {
            "defaults": {"limits": limits(1)},
            "providers": {"openai": {"limits": limits(2), "pools": pools}, "groq": {}},
        }
    )
    amounts = [
        [limit.amount for limit in pool.limits] for one in scenario.providers.values() for pool in one.pools
    ]
    assert amounts == [[3], [], [2], [1]]


@pytest.mark.parametrize(
    ("values", "message"),
    [
        ({"titel": "x"}, "titel: unknown key; known here: all_providers, defaults"),
        ({"providers": {"opnai": {}}}, "providers.opnai: no such provider in the catalogue; known: openai"),
        ({"providers": {"openai": {"latncy_ms": 1}}}, "providers.openai.latncy_ms: unknown key"),
        ({"defaults": {"latency_ms": -1}}, "defaults.latency_ms: a number, { from = 1, to = 2 }"),
        ({"defaults": {"latency_ms": {"p50": 9, "p95": 3}}}, "defaults.latency_ms: a number,"),
        ({"defaults": {"answer_tokens": 1, "answer_characters": 4}}, "defaults.answer_characters: answer_tokens is"),
        ({"providers": {"openai": {"pools": [{"keys": ["sk-real"]}]}}}, "providers.openai.pools[0].keys: test keys"),
        (
            {"providers": {"openai": {"pools": [{"limits": [{"what": "calls", "amount": 1}]}]}}},
            "providers.openai.pools[0].limits[0].what: 'calls' is none of: requests,",
        ),
        (
            {"providers": {"openai": {"pools": [{"limits": [{"what": "requests"}]}]}}},
            "providers.openai.pools[0].limits[0].amount: a whole number from 1",
        ),
        ({"faults": [{"kind": "boom"}]}, "faults[0].kind: 'boom' is none of: bad_key"),
        ({"faults": [{"kind": "html", "share": 2}]}, "faults[0].share: a number from 0 to 1 is needed."),
        ({"faults": [{"kind": "html", "calls": [3, 1]}]}, "faults[0].calls: two numbers in order"),
        ({"faults": [{"kind": "html", "prompt": "("}]}, "faults[0].prompt: not a regular expression"),
        ({"faults": [{"kind": "port_closed", "provider": "openai"}]}, "faults: fault 1: port_closed needs"),
        ({"faults": [{"kind": "flex_capacity", "provider": "openai"}]}, "faults: fault 1: flex_capacity needs"),
        ({"faults": [{"kind": "html", "key": "sim-openai-9"}]}, "faults: fault 1: no pool has the key …ai-9."),
        ({"faults": [{"kind": "html", "pool": "other"}]}, "faults: fault 1: there is no pool named 'other'."),
        (
            {"faults": [{"kind": "html", "model": "gpt-1", "provider": "openai"}]},
            "faults: fault 1: no provider has the model 'gpt-1'",
        ),
        (
            {"providers": {"openai": {"prices": {"gpt-1": {"input_usd_per_mtok": 1}}}}},
            "providers.openai.prices: 'gpt-1' is no model of this provider; it has: gpt-6-luna, gpt-6.1-sol.",
        ),
        (
            {"defaults": {"limits": [{"amount": 1, "per_s": 0.5}, {"amount": 2, "per_s": 1}]}},
            "defaults.limits: two of them limit the same within the same window.",
        ),
        ({"faults": [{"kind": "rate_limited", "hints": ["soon"]}]}, "faults[0].hints: 'soon' is none of"),
    ],
)  # fmt: skip
def test_wrong_key_is_named(values: dict[str, Any], message: str) -> None:
    with pytest.raises(ScenarioError) as raised:
        scenario_of(values)

    assert str(raised.value).startswith(message)


def test_every_wrong_key_is_named_at_once() -> None:
    with pytest.raises(ScenarioError) as raised:
        scenario_of({"seed": "x", "defaults": {"cached_share": 7}, "extra": 1})

    assert [line.partition(":")[0] for line in str(raised.value).splitlines()] == [
        "defaults.cached_share", "extra", "seed",
    ]  # fmt: skip


def test_unknown_scenario_names_the_shipped_ones() -> None:
    with pytest.raises(ScenarioError, match="no scenario of this name; there are: faults, keys"):
        scenario_path("nothing")


def test_file_that_is_no_toml_is_named(tmp_path: Path) -> None:
    path = tmp_path / "broken.toml"
    path.write_text("title = ")

    with pytest.raises(ScenarioError, match=r"broken\.toml: Invalid value"):
        scenario_read(path)


@given(share=st.floats(0.000001, 0.999999), p50=st.floats(1, 1e4), factor=st.floats(1, 50))
def test_lognormal_rises_with_its_share_and_stays_below_its_most(
    share: float, p50: float, factor: float
) -> None:
    spread = Distribution(p50, p50 * factor, is_lognormal=True, most=p50 * factor * 2)

    assert 0 < spread.at(share) <= spread.most
    assert spread.at(share / 2) <= spread.at(share)


def test_lognormal_meets_its_median_and_95th_percentile() -> None:
    spread = Distribution(800, 3000, is_lognormal=True)

    assert (round(spread.at(0.5)), round(spread.at(0.95))) == (800, 3000)


def test_draws_follow_from_seed_and_call_alone() -> None:
    assert Draws(seed=1, call="x").uniform("a") == Draws(seed=1, call="x").uniform("a")
    different = {Draws(seed=s, call=c).uniform(p) for s in (1, 2) for c in "xy" for p in "ab"}
    assert len(different) == 8


def test_documentation_names_every_key_kind_and_scenario() -> None:
    code = "".join(inspect.getsource(module) for module in (scenario_module, fault_tables))
    keys = set(
        re.findall(
            r'\.(?:text|texts|boolean|number|integer|span|\w*table|\w*tables|distribution)\(\s*"(\w+)"', code
        )
    )
    text = (Path(settings.BASE_DIR) / "docs" / "simulator.md").read_text()

    assert len(keys) > 35
    named = keys | {*error_kinds(), *ANSWER_KINDS, *DEED_KINDS} | set(SHIPPED)
    assert {name for name in named if f"`{name}`" not in text} == set()
