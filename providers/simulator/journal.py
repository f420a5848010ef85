"""What really arrived: one record per call, as JSON Lines in a file and as sums in memory.

Tests and benchmarks compare it with what the service has stored. Secrets never get in: of a key only its end.
"""

import json
from collections import Counter, deque
from dataclasses import dataclass, fields
from operator import attrgetter
from pathlib import Path
from typing import Any, TextIO

from providers.protocols.base import Outcome

KEPT_IN_MEMORY = 1000  # records that the control address can show
GONE = "gone"  # the outcome of a call whose caller left, or that was under way when the simulator ended
_BUFFER_BYTES = 1 << 20


@dataclass(slots=True)
class Record:
    """One call. `outcome` is what the caller should make of the answer; `cost_usd` None: the scenario has no price.

    `at` is when it arrived, in seconds since 1970; `call` is the same for the same prompt, model, seed and number.
    """

    at: float
    provider: str
    kind: str = "chat"
    pool: str = ""
    key_last4: str = ""
    model: str = ""
    served_model: str = ""
    call: str = ""
    outcome: Outcome | str = ""
    fault: str = ""
    status: int | None = None
    input_tokens: int = 0
    output_tokens: int = 0
    cost_usd: float | None = None
    duration_ms: int = 0
    is_delivered: bool = False


_FIELDS = tuple(one.name for one in fields(Record))
_VALUES = attrgetter(*_FIELDS)


def as_json(record: Record) -> dict[str, Any]:
    """Return a record as JSON can hold it."""
    return dict(zip(_FIELDS, _VALUES(record), strict=True))


class Journal:
    """Keeps the records. Without a path they are only summed."""

    def __init__(self, path: Path | None) -> None:
        self._path = path
        self._file: TextIO | None = None if path is None else path.open("w", buffering=_BUFFER_BYTES)
        self.last: deque[Record] = deque(maxlen=KEPT_IN_MEMORY)
        self._sums: Counter[tuple[str, ...]] = Counter()
        self._n_tokens: Counter[str] = Counter()
        self._cost_usd: Counter[str] = Counter()

    def add(self, record: Record) -> None:
        """Keep a record of a call that has ended."""
        self.last.append(record)
        key = (record.kind, record.provider, record.pool, record.key_last4, record.model, str(record.outcome))
        self._sums[key] += 1
        self._n_tokens["input"] += record.input_tokens
        self._n_tokens["output"] += record.output_tokens
        if record.cost_usd:
            self._cost_usd["delivered" if record.is_delivered else "undelivered"] += record.cost_usd  # type: ignore[assignment]  # a Counter sums any number
        if self._file is not None:
            self._file.write(json.dumps(as_json(record)) + "\n")

    def summary(self) -> dict[str, Any]:
        """Return how many calls ended, by who made them and how; costs apart by whether the answer was taken."""
        names = ("kind", "provider", "pool", "key_last4", "model", "outcome")
        by_outcome: Counter[str] = Counter()
        for key, n in self._sums.items():
            by_outcome[key[-1]] += n
        return {
            "n_calls": self._sums.total(),
            "n_by_outcome": dict(by_outcome),
            "input_tokens": self._n_tokens["input"],
            "output_tokens": self._n_tokens["output"],
            "cost_usd": round(self._cost_usd["delivered"], 8),
            "cost_undelivered_usd": round(self._cost_usd["undelivered"], 8),
            "calls": [
                {**dict(zip(names, key, strict=True)), "n": n} for key, n in sorted(self._sums.items())
            ],
        }

    def flush(self) -> None:
        """Bring the file up to date."""
        if self._file is not None:
            self._file.flush()

    def restart(self) -> None:
        """Forget all records, those in the file too."""
        self.last.clear()
        for counter in (self._sums, self._n_tokens, self._cost_usd):
            counter.clear()
        if self._file is not None:
            self._file.seek(0)
            self._file.truncate()

    def close(self) -> None:
        """Write what is left."""
        if self._file is not None:
            self._file.close()
