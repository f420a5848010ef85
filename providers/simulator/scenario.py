"""A scenario: who is simulated and how, read from a TOML file. Every key is described in `docs/simulator.md`.

Facts that the catalogue has (wire format, paths, models) come from there; a scenario says the rest.
"""

import re
import tomllib
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any
from urllib.parse import urlsplit

from providers.environment import catalogue_entries
from providers.simulator.admission import COUNTS, WHATS, LimitSpec
from providers.simulator.dialects import HINTS, dialect_for, error_kinds
from providers.simulator.draws import Distribution, fixed
from providers.simulator.faults import ANSWER_KINDS, DEED_KINDS, ERROR_KINDS, Fault
from providers.simulator.reading import Table

SCENARIOS_DIR = Path(__file__).with_name("scenarios")


class ScenarioError(ValueError):
    """The scenario cannot be played; one line for each wrong key."""


@dataclass(frozen=True, slots=True)
class Price:
    """USD per million tokens."""

    input_usd_per_mtok: float
    output_usd_per_mtok: float


@dataclass(frozen=True, slots=True)
class PoolSpec:
    """An account: its keys share its limits."""

    name: str
    keys: tuple[str, ...]
    limits: tuple[LimitSpec, ...] = ()


@dataclass(frozen=True, slots=True)
class ProviderSpec:
    """One simulated provider. `models` empty: it answers as any model. `answer_tokens` leave the reasoning out."""

    name: str
    protocol: str
    auth_style: str
    base_path: str
    chat_path: str
    key_check: dict[str, Any]
    pools: tuple[PoolSpec, ...]
    models: tuple[str, ...]
    own_port: bool
    needs_key: bool
    latency_ms: Distribution
    answer_tokens: Distribution
    reasoning_tokens: Distribution
    cached_share: float
    served_model: str
    reports_usage: bool
    refuses: tuple[str, ...]
    hints: tuple[str, ...]
    prices: dict[str, Price]

    def price_of(self, model: str) -> Price | None:
        """Return the price of a model, else that of all models."""
        return self.prices.get(model) or self.prices.get("*")


@dataclass(frozen=True, slots=True)
class Scenario:
    """All of a file."""

    title: str
    seed: int
    providers: dict[str, ProviderSpec]
    faults: tuple[Fault, ...]


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


CHARACTERS_PER_TOKEN = 4


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
    return tuple(_limit(one) for one in table.tables("limits")) if "limits" in table else usual


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


def fault_of(table: Table, *, providers: Iterable[str], number: int) -> Fault:
    """Return the fault that a table describes; what is wrong is noted in the table's errors."""
    kinds = (*error_kinds(), *ANSWER_KINDS, *DEED_KINDS)
    hints = table.texts("hints") if "hints" in table else None
    for hint in set(hints or ()) - set(HINTS):
        table.fail("hints", f"{hint!r} is none of: {', '.join(HINTS)}.")
    fault = Fault(
        name=table.text("name", f"fault {number}"),
        kind=table.text("kind", "", one_of=kinds),
        provider=table.text("provider", "", one_of=tuple(providers)),
        pool=table.text("pool"),
        key=table.text("key"),
        model=table.text("model"),
        prompt=_pattern(table),
        calls=table.span("calls"),
        seconds=table.span("seconds"),
        share=table.number("share", 1.0, most=1),
        strikes=table.text("strikes", "chat", one_of=("chat", "check", "all")),
        is_on=table.boolean("is_on", True),
        status=table.integer("status", 0, most=599),
        delay_s=table.number("delay_s", 30.0, most=86_400),
        wait_s=table.number("wait_s", 5.0, most=86_400),
        hints=hints,
        field=table.text("field", "temperature"),
    )
    if not fault.kind:
        table.fail("kind", f"one is needed of: {', '.join(kinds)}.")
    table.end()
    return fault


def faults_check(faults: Sequence[Fault], providers: Mapping[str, ProviderSpec]) -> list[str]:
    """Return what is wrong with faults beyond their single keys."""
    errors = []
    if len({fault.name for fault in faults}) < len(faults):
        errors.append("faults: two of them have the same name.")
    for fault in faults:
        owner = providers.get(fault.provider)
        if fault.kind == "port_closed" and not (owner and owner.own_port):
            errors.append(f"faults: {fault.name}: port_closed needs a provider that has own_port = true.")
        known = dialect_for(fault.provider).errors if owner else {}
        if fault.kind in set(error_kinds()) - ERROR_KINDS.keys() and fault.kind not in known:
            errors.append(f"faults: {fault.name}: {fault.kind} needs a provider that has such an error.")
    return errors


def _pattern(table: Table) -> re.Pattern[str] | None:
    text = table.text("prompt")
    try:
        return re.compile(text) if text else None
    except re.error as error:
        table.fail("prompt", f"not a regular expression: {error}.")
        return None
