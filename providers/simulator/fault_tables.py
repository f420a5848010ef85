"""Reads faults, from a scenario's file or a test's request, and says what is wrong with them."""

import re
from collections.abc import Iterable, Iterator, Mapping, Sequence

from providers.simulator.dialects import HINTS, dialect_for, error_kinds
from providers.simulator.faults import ANSWER_KINDS, DEED_KINDS, ERROR_KINDS, Fault
from providers.simulator.reading import Table
from providers.simulator.specs import ProviderSpec


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
    """Return what is wrong with faults beyond their single keys: what they name must be there."""
    errors = []
    if len({fault.name for fault in faults}) < len(faults):
        errors.append("faults: two of them have the same name.")
    for fault in faults:
        owners = [spec for name, spec in providers.items() if fault.provider in ("", name)]
        errors += [f"faults: {fault.name}: {text}" for text in _fault_errors(fault, owners)]
    return errors


def _fault_errors(fault: Fault, owners: Sequence[ProviderSpec]) -> Iterator[str]:
    pools = [pool for spec in owners for pool in spec.pools]
    if fault.pool and all(pool.name != fault.pool for pool in pools):
        yield f"there is no pool named {fault.pool!r}."
    if fault.key and all(fault.key not in pool.keys for pool in pools):
        yield f"no pool has the key …{fault.key[-4:]}."
    if fault.model and all(spec.models and fault.model not in spec.models for spec in owners):
        yield f"no provider has the model {fault.model!r}."
    if fault.kind == "port_closed" and not (fault.provider and all(spec.own_port for spec in owners)):
        yield "port_closed needs a provider that has own_port = true."
    if fault.kind in set(error_kinds()) - ERROR_KINDS.keys():
        known = [spec for spec in owners if fault.kind in dialect_for(spec.name).errors]
        if not fault.provider or not known:
            yield f"{fault.kind} needs a provider that has such an error."


def _pattern(table: Table) -> re.Pattern[str] | None:
    text = table.text("prompt")
    try:
        return re.compile(text) if text else None
    except re.error as error:
        table.fail("prompt", f"not a regular expression: {error}.")
        return None
