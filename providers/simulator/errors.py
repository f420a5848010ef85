"""Errors in a provider's own words: body, status, and how long to wait in each form that providers use."""

from datetime import UTC, datetime
from math import ceil

from providers.protocols.base import Outcome
from providers.simulator.admission import LimitSpec, PoolState, Refusal, Standing
from providers.simulator.dialects import Dialect, filled, wait_headers, wait_words
from providers.simulator.faults import Fault
from providers.simulator.journal import Record
from providers.simulator.plan import Arrival, Plan
from providers.simulator.rate_headers import rate_headers
from providers.simulator.specs import ProviderSpec
from providers.simulator.window import NS_PER_S

_SAYS_WAIT = (Outcome.RATE_LIMITED, Outcome.QUOTA_EXHAUSTED)


class Errors:
    """Writes the errors of one provider."""

    def __init__(self, spec: ProviderSpec, dialect: Dialect) -> None:
        self._spec = spec
        self._dialect = dialect

    def error(self, record: Record, kind: str, arrival: Arrival, *, model: str = "", field: str = "") -> Plan:
        """Return an error that the call itself deserves."""
        return self._plan(record, kind, arrival, hints=(), wait_s=0, model=model, field=field)

    def of_fault(self, record: Record, fault: Fault, arrival: Arrival, *, model: str) -> Plan:
        """Return the error that a fault demands; a wait is said in the fault's forms, else in the provider's."""
        entry = self._dialect.errors.get(fault.kind)
        usual = entry.hints if entry and entry.hints is not None else self._spec.hints
        hints = usual if fault.hints is None else fault.hints
        plan = self._plan(
            record, fault.kind, arrival, hints=hints, wait_s=fault.wait_s, model=model, field=fault.field
        )
        if record.outcome in _SAYS_WAIT and "resets" in hints:
            plan.headers.update(self._resets(arrival, fault.wait_s))
        if fault.status:
            plan.status = record.status = fault.status
        return plan

    def of_limit(
        self, record: Record, refusal: Refusal, arrival: Arrival, *, model: str, pool: PoolState
    ) -> Plan:
        """Return the refusal of a call that a limit has no room for now, or ever."""
        kind = "too_long" if refusal.wait_ns is None else "rate_limited"
        wait_s = (refusal.wait_ns or 0) / NS_PER_S
        limit = refusal.limit
        plan = self._plan(
            record, kind, arrival, hints=self._spec.hints, wait_s=wait_s, model=model,
            what=limit.what.replace("_", " "), amount=limit.amount,
        )  # fmt: skip
        plan.headers.update(self.rate_headers(arrival, pool, model, is_refused=True))
        return plan

    def rate_headers(
        self, arrival: Arrival, pool: PoolState, model: str, *, is_refused: bool = False
    ) -> dict[str, str]:
        """Return what the provider tells of its limits with every answer."""
        style = self._dialect.rate_headers
        if style == "none":
            return {}
        standings = pool.standings(model=model, now_ns=arrival.now_ns)
        windows = self._dialect.header_windows
        return rate_headers(style, standings, now=_instant(arrival), is_refused=is_refused, windows=windows)

    def request_id(self, name: str) -> dict[str, str]:
        """Return the header that names a call, if the provider has one."""
        header = self._dialect.request_id_header
        return {header: name} if header else {}

    def _plan(
        self, record: Record, kind: str, arrival: Arrival, *, hints: tuple[str, ...], wait_s: float,
        model: str = "", field: str = "", what: str = "requests", amount: int = 0,
    ) -> Plan:  # fmt: skip
        is_within_200 = kind == "error_in_200"
        errors = self._dialect.errors
        entry = errors.get(kind) or errors["server_error" if is_within_200 else "bad_request"]
        wait_s = ceil(wait_s * 1000) / 1000
        name = f"req_{arrival.now_ns:x}"
        headers = self.request_id(name)
        if entry.outcome in _SAYS_WAIT and wait_s:
            headers |= wait_headers(hints, wait_s, now=_instant(arrival))
        slots = {
            "model": model, "field": field, "what": what, "amount": amount, "id": name, "key": arrival.key[-4:],
            **wait_words(hints, wait_s),
        }  # fmt: skip
        record.outcome = Outcome.OVERLOADED if is_within_200 else entry.outcome
        record.status = 200 if is_within_200 else entry.status
        body = filled(entry.body, slots).encode()
        return Plan(record, record.status, body, headers, content_type=entry.content_type)

    def _resets(self, arrival: Arrival, wait_s: float) -> dict[str, str]:
        """Return reset headers for a limit that nobody set: used up, and back after the fault's wait."""
        used_up = Standing(LimitSpec("requests", 60), 0, round(wait_s * NS_PER_S))
        return rate_headers(self._dialect.rate_headers, [used_up], now=_instant(arrival), is_refused=True)


def _instant(arrival: Arrival) -> datetime:
    return datetime.fromtimestamp(arrival.at, UTC)
