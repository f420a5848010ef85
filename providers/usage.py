"""Books what calls used, by minute and maker; who reads the sums stands in the selectors."""

from collections.abc import Iterable
from dataclasses import asdict, dataclass
from datetime import datetime
from decimal import Decimal
from typing import Any
from uuid import UUID

from providers.counters import counters_add
from providers.models import UsageBucket

_UNIQUE = ("bucket_at", "drain", "model_id", "key_id", "outcome")
_SUMMED = (
    "n_calls", "input_tokens", "output_tokens", "reasoning_tokens", "cached_tokens", "cost_usd", "n_unpriced",
    "latency_ms_sum",
)  # fmt: skip
_LARGEST = ("latency_ms_max",)


@dataclass(frozen=True, slots=True)
class UsageRow:
    """Some calls of one minute (`bucket_at` is its start) that one drain made and that ended alike."""

    bucket_at: datetime
    drain: UUID
    provider_id: int
    model_id: int
    key_id: int
    outcome: str
    n_calls: int
    input_tokens: int = 0
    output_tokens: int = 0
    reasoning_tokens: int = 0
    cached_tokens: int = 0
    cost_usd: Decimal = Decimal(0)
    n_unpriced: int = 0
    latency_ms_sum: int = 0
    latency_ms_max: int = 0


def usage_add(rows: Iterable[UsageRow]) -> None:
    """Add `rows` to the buckets; rows with the same bucket, drain, model, key and outcome are summed first."""
    summed: dict[tuple[object, ...], dict[str, Any]] = {}
    for row in rows:
        values = asdict(row)
        known = summed.setdefault(tuple(values[name] for name in _UNIQUE), values)
        if known is not values:
            known.update({name: known[name] + values[name] for name in _SUMMED})
            known.update({name: max(known[name], values[name]) for name in _LARGEST})
    counters_add(
        UsageBucket,
        list(summed.values()),
        unique=_UNIQUE,
        kept=("provider_id",),
        summed=_SUMMED,
        largest=_LARGEST,
    )
