"""A scenario: who is simulated and how, read from a TOML file. Every key is described in `docs/simulator.md`.

Facts that the catalogue has (wire format, paths, models) come from there; a scenario says the rest.
"""

import re
import tomllib
from dataclasses import dataclass
from math import ceil
from pathlib import Path
from typing import Any
from urllib.parse import urlsplit

from providers.environment import catalogue_entries
from providers.simulator.admission import COUNTS, WHATS, LimitSpec
from providers.simulator.dialects import HINTS, dialect_for
from providers.simulator.draws import Distribution, fixed
from providers.simulator.fault_tables import fault_of, faults_check
from providers.simulator.reading import Table
from providers.simulator.specs import CHARACTERS_PER_TOKEN, PoolSpec, Price, ProviderSpec, Scenario

SCENARIOS_DIR = Path(__file__).with_name("scenarios")


class ScenarioError(ValueError):
    """The scenario cannot be played; one line for each wrong key."""


def scenario_path(name: str) -> Path:
    """Return the file of a scenario: a path, or the name of one that ships with us; raises ScenarioError."""
    for path in (Path(name), SCENARIOS_DIR / f"{name}.toml"):
        if path.is_file():
            return path
    shipped = ", ".join(sorted(path.stem for path in SCENARIOS_DIR.glob("*.toml")))
    raise ScenarioError(f"{name}: there is no such file, and no scenario of this name; there are: {shipped}.")


def scenario_read(path: Path) -> Scenario:
    """Return the scenario of a file; raises ScenarioError naming every wrong key."""
    try:
        values = tomllib.loads(path.read_text("utf-8"))
    except (OSError, UnicodeDecodeError, tomllib.TOMLDecodeError) as error:
        raise ScenarioError(f"{path.name}: {error}") from None
    try:
        return scenario_of(values)
    except ScenarioError as error:
        raise ScenarioError("\n".join(f"{path.name}: {line}" for line in str(error).splitlines())) from None


def scenario_of(values: dict[str, Any]) -> Scenario:
    """Return the scenario that a decoded file describes; raises ScenarioError."""
    errors: list[str] = []
    top = Table(values, path="", errors=errors)
    known = {entry["name"]: entry for entry in catalogue_entries()}
    tables = top.named_tables("providers")
    defaults = top.table("defaults")
    usual = _Usual.read(defaults, None)
    defaults.end()
    has_all = top.boolean("all_providers", not tables)
    for name in tables.keys() - known.keys():
        top.fail(f"providers.{name}", f"no such provider in the catalogue; known: {', '.join(known)}.")
    names = [name for name in known if name in tables or has_all]
    providers = {
        name: _provider(known[name], tables.get(name) or Table({}, path="", errors=errors), usual)
        for name in names
    }
    faults = tuple(
        fault_of(table, providers=providers, number=place)
        for place, table in enumerate(top.tables("faults"), 1)
    )
    errors += faults_check(faults, providers)
    scenario = Scenario(top.text("title"), top.integer("seed", 1), providers, faults)
    top.end()
    if errors:
        raise ScenarioError("\n".join(sorted(errors)))
    return scenario


@dataclass(frozen=True, slots=True)
class _Usual:
    """The keys that `[defaults]` and `[providers.NAME]` share."""

    latency_ms: Distribution
    answer_tokens: Distribution
    reasoning_tokens: Distribution
    cached_share: float
    served_model: str
    reports_usage: bool
    limits: tuple[LimitSpec, ...]

    @classmethod
    def read(cls, table: Table, usual: "_Usual | None") -> "_Usual":
        default = usual or _Usual(fixed(500), fixed(375), fixed(0), 0.0, "$model", True, ())
        answer_tokens = table.distribution("answer_tokens", None)
        characters = table.distribution("answer_characters", None)
        if answer_tokens and characters:
            table.fail("answer_characters", "answer_tokens is set too; keep one of them.")
        if characters:
            answer_tokens = _tokens_of(characters)
        return cls(
            latency_ms=table.distribution("latency_ms", None) or default.latency_ms,
            answer_tokens=answer_tokens or default.answer_tokens,
            reasoning_tokens=table.distribution("reasoning_tokens", None) or default.reasoning_tokens,
            cached_share=table.number("cached_share", default.cached_share, most=1),
            served_model=table.text("served_model", default.served_model),
            reports_usage=table.boolean("reports_usage", default.reports_usage),
            limits=_limits(table, default.limits),
        )


def _tokens_of(characters: Distribution) -> Distribution:
    return Distribution(
        characters.low / CHARACTERS_PER_TOKEN, characters.high / CHARACTERS_PER_TOKEN,
        is_lognormal=characters.is_lognormal, most=characters.most / CHARACTERS_PER_TOKEN,
    )  # fmt: skip


def _provider(entry: dict[str, Any], table: Table, usual: _Usual) -> ProviderSpec:
    name = entry["name"]
    own = _Usual.read(table, usual)
    models = table.texts("models", tuple(one["name"] for one in entry.get("models", ())))
    dialect = dialect_for(name)
    spec = ProviderSpec(
        name=name,
        protocol=entry["protocol"],
        auth_style=entry["auth_style"],
        base_path=f"/{name}{urlsplit(entry['base_url']).path.rstrip('/')}",
        chat_path=entry["chat_path"],
        key_check=entry.get("key_check", {}),
        pools=_pools(name, table, own.limits),
        models=models,
        own_port=table.boolean("own_port", False),
        needs_key=entry.get("needs_key", True),
        refuses=table.texts("refuses", dialect.refuses),
        hints=_hints(table, dialect.hints),
        prices=_prices(table),
        latency_ms=own.latency_ms,
        answer_tokens=own.answer_tokens,
        reasoning_tokens=own.reasoning_tokens,
        cached_share=own.cached_share,
        served_model=own.served_model,
        reports_usage=own.reports_usage,
    )
    _models_check(table, spec)
    table.end()
    return spec


def _hints(table: Table, default: tuple[str, ...]) -> tuple[str, ...]:
    hints = table.texts("hints", default)
    for hint in set(hints) - set(HINTS):
        table.fail("hints", f"{hint!r} is none of: {', '.join(HINTS)}.")
    return hints


def _prices(table: Table) -> dict[str, Price]:
    prices = {}
    for model, one in table.named_tables("prices").items():
        prices[model] = Price(one.number("input_usd_per_mtok", 0), one.number("output_usd_per_mtok", 0))
        one.end()
    return prices


def _pools(provider: str, table: Table, usual: tuple[LimitSpec, ...]) -> tuple[PoolSpec, ...]:
    pools = tuple(_pool(provider, one, usual) for one in table.tables("pools"))
    if not pools:
        return (PoolSpec("default", (f"sim-{provider}-1",), usual),)
    keys = [key for pool in pools for key in pool.keys]
    if len(set(keys)) < len(keys):
        table.fail("pools", "a key belongs to one pool only.")
    if len({pool.name for pool in pools}) < len(pools):
        table.fail("pools", "two of them have the same name.")
    return pools


def _models_check(table: Table, spec: ProviderSpec) -> None:
    """Note limits and prices of models that the provider does not have."""
    if not spec.models:
        return
    limited = {limit.model for pool in spec.pools for limit in pool.limits if limit.model}
    for key, names in (("pools", limited), ("prices", spec.prices.keys() - {"*"})):
        for name in sorted(names - set(spec.models)):
            table.fail(key, f"{name!r} is no model of this provider; it has: {', '.join(spec.models)}.")


def _pool(provider: str, table: Table, usual: tuple[LimitSpec, ...]) -> PoolSpec:
    name = table.text("name", "default")
    keys = table.texts("keys", (f"sim-{provider}-{name}-1",))
    for key in keys:
        if not re.fullmatch(r"sim-[\x21-\x7e]+", key):
            table.fail("keys", "test keys begin with `sim-` and hold no spaces, so that no real one gets in.")
    limits = _limits(table, usual)
    table.end()
    return PoolSpec(name, keys, limits)


def _limits(table: Table, usual: tuple[LimitSpec, ...]) -> tuple[LimitSpec, ...]:
    """Return the table's own limits, the usual ones when it says nothing."""
    if "limits" not in table:
        return usual
    limits = tuple(_limit(one) for one in table.tables("limits"))
    if len({(one.what, one.model, ceil(one.per_s)) for one in limits}) < len(limits):
        table.fail("limits", "two of them limit the same within the same window.")
    return limits


def _limit(table: Table) -> LimitSpec:
    limit = LimitSpec(
        what=table.text("what", "requests", one_of=WHATS),
        amount=table.integer("amount", 0, least=1),
        per_s=table.number("per_s", 60, least=0.001, most=31 * 86_400),
        model=table.text("model") or None,
        counts=table.text("counts", "actual", one_of=COUNTS),
    )
    table.end()
    return limit
