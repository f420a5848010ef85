"""Which fault a call meets: the first one that is on and whose conditions all hold.

Conditions: provider, pool, key, model, words of the prompt, the n-th such call, seconds since the start, a share.
How a fault looks on the wire stands in `dialects.py` and `deeds.py`; how it is written in a file, in `scenario.py`.
"""

import re
from collections.abc import Iterable
from dataclasses import dataclass, field, replace

from providers.protocols.base import Outcome
from providers.simulator.draws import Draws

# What a caller should make of each kind. Kinds that only some providers know stand in `dialects.toml`.
ERROR_KINDS = {
    "bad_key": Outcome.KEY_INVALID,
    "forbidden": Outcome.PERMISSION,
    "no_credit": Outcome.QUOTA_EXHAUSTED,
    "unknown_model": Outcome.MODEL_UNKNOWN,
    "rate_limited": Outcome.RATE_LIMITED,
    "bad_request": Outcome.BAD_REQUEST,
    "refused_field": Outcome.BAD_REQUEST,
    "too_long": Outcome.TOO_LONG,
    "server_error": Outcome.OVERLOADED,
    "unavailable": Outcome.OVERLOADED,
    "overloaded": Outcome.OVERLOADED,
}
ANSWER_KINDS = {
    "empty": Outcome.EMPTY,
    "truncated": Outcome.TRUNCATED,
    "refused": Outcome.REFUSED,
    "blocked": Outcome.BLOCKED,
    "wrong_model": Outcome.ANSWERED,
}
DEED_KINDS = {
    "slow_first_byte": Outcome.ANSWERED,
    "stalled_body": Outcome.TIMEOUT,
    "cut_body": Outcome.CONNECTION,
    "reset": Outcome.CONNECTION,
    "port_closed": Outcome.CONNECTION,
    "invalid_json": Outcome.MALFORMED,
    "html": Outcome.MALFORMED,
    "empty_body": Outcome.MALFORMED,
    "error_in_200": Outcome.OVERLOADED,
}
# What is said at the door, before limits count the call: by kind, and by what an error means.
DOOR_KINDS = frozenset({"reset", "port_closed"})
DOOR_OUTCOMES = frozenset(
    {Outcome.KEY_INVALID, Outcome.PERMISSION, Outcome.QUOTA_EXHAUSTED, Outcome.RATE_LIMITED}
)


@dataclass(frozen=True, slots=True)
class Fault:
    """One fault and when it strikes; what is empty or None holds for all. `calls` counts from 1, both ends included."""

    name: str
    kind: str
    provider: str = ""
    pool: str = ""
    key: str = ""
    model: str = ""
    prompt: re.Pattern[str] | None = None
    calls: tuple[float, float] | None = None
    seconds: tuple[float, float] | None = None
    share: float = 1.0
    strikes: str = "chat"
    is_on: bool = True
    status: int = 0
    delay_s: float = 0.0
    wait_s: float = 5.0
    hints: tuple[str, ...] | None = None
    field: str = "temperature"

    def concerns(self, call: "Approach") -> bool:
        """Return whether it is this caller, model and prompt that the fault is about."""
        return (
            self.provider in ("", call.provider)
            and self.pool in ("", call.pool)
            and self.key in ("", call.key)
            and self.model in ("", call.model)
            and self.strikes in ("all", "check" if call.is_check else "chat")
            and (self.prompt is None or self.prompt.search(call.prompt) is not None)
        )

    def is_time(self, elapsed_s: float) -> bool:
        """Return whether the fault is on at that many seconds after the start."""
        return self.is_on and (self.seconds is None or self.seconds[0] <= elapsed_s < self.seconds[1])


@dataclass(frozen=True, slots=True)
class Approach:
    """A call as far as faults care."""

    provider: str
    pool: str
    key: str
    model: str
    prompt: str = ""
    is_check: bool = False


@dataclass(slots=True)
class FaultBook:
    """The faults of a running simulator, in order, with how often each one's caller has called."""

    faults: list[Fault]
    _n_calls: dict[str, int] = field(default_factory=dict)

    def struck_by(self, call: Approach, *, draws: Draws, elapsed_s: float) -> Fault | None:
        """Return the fault that the call meets, None when it meets none; each call is counted once."""
        found = None
        for fault in self.faults:
            if not fault.concerns(call):
                continue
            number = self._n_calls.get(fault.name, 0) + 1
            self._n_calls[fault.name] = number
            if found is None and _strikes(fault, number, draws, elapsed_s):
                found = fault
        return found

    def closed_ports(self, *, elapsed_s: float) -> set[str]:
        """Return the providers whose port is closed now."""
        return {one.provider for one in self.faults if one.kind == "port_closed" and one.is_time(elapsed_s)}

    def put(self, fault: Fault) -> None:
        """Add a fault; one of the same name is replaced in its place and counts anew."""
        self._n_calls.pop(fault.name, None)
        for place, known in enumerate(self.faults):
            if known.name == fault.name:
                self.faults[place] = fault
                return
        self.faults.append(fault)

    def switch(self, name: str, *, is_on: bool) -> bool:
        """Turn a fault on or off; False when there is none of this name."""
        for place, known in enumerate(self.faults):
            if known.name == name:
                self.faults[place] = replace(known, is_on=is_on)
                return True
        return False

    def restart(self, faults: Iterable[Fault]) -> None:
        """Begin anew with these faults."""
        self.faults = list(faults)
        self._n_calls.clear()


def _strikes(fault: Fault, number: int, draws: Draws, elapsed_s: float) -> bool:
    if not fault.is_time(elapsed_s):
        return False
    if fault.calls is not None and not fault.calls[0] <= number <= fault.calls[1]:
        return False
    return fault.share >= 1 or draws.uniform(f"fault {fault.name}") < fault.share
