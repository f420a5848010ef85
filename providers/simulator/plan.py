"""What is done with one call, decided before a byte is sent: the status, the body, when, and how it goes wrong."""

from dataclasses import dataclass, field
from enum import StrEnum

from providers.simulator.admission import PoolState, Size
from providers.simulator.dialects import JSON_TYPE
from providers.simulator.journal import Record


class Deed(StrEnum):
    """How the answer goes out."""

    SEND = "send"
    CUT = "cut"
    STALL = "stall"
    RESET = "reset"


@dataclass(frozen=True, slots=True)
class Arrival:
    """A request as it arrived; header names in lower case or without case."""

    method: str
    path: str
    key: str
    header_names: frozenset[str]
    body: bytes
    at: float
    now_ns: int


@dataclass(frozen=True, slots=True)
class Admitted:
    """The place that a call holds in its pool until it ends."""

    pool: PoolState
    model: str
    size: Size


@dataclass(slots=True)
class Plan:
    """What is sent, after `delay_s`; a stalled body is silent for `stall_s` more."""

    record: Record
    status: int = 200
    body: bytes = b""
    headers: dict[str, str] = field(default_factory=dict)
    content_type: str = JSON_TYPE
    delay_s: float = 0.0
    stall_s: float = 0.0
    deed: Deed = Deed.SEND
    admitted: Admitted | None = None
