"""Books how long replies took, in bands that add up; who reads percentiles from them stands in `usage_figures.py`."""

from collections import Counter
from collections.abc import Iterable
from dataclasses import dataclass
from datetime import datetime, timedelta
from uuid import UUID

from providers.counters import counters_add
from providers.models import LatencyCount
from providers.rules.latency import band_of

BUCKET = timedelta(minutes=10)


@dataclass(frozen=True, slots=True)
class Latency:
    """How long one call took that got a reply, whatever the reply said."""

    provider_id: int
    model_id: int
    key_id: int
    latency_ms: int


def latencies_add(drain: UUID, latencies: Iterable[Latency], *, at: datetime) -> None:
    """Add the replies that came to a drain by `at` to the counts of their bands."""
    counts = Counter(
        (one.provider_id, one.model_id, one.key_id, band_of(one.latency_ms)) for one in latencies
    )
    rows = [
        {
            "bucket_at": bucket_start(at), "drain": drain, "provider_id": provider_id, "model_id": model_id,
            "key_id": key_id, "band": band, "n_calls": n,
        }
        for (provider_id, model_id, key_id, band), n in counts.items()
    ]  # fmt: skip
    counters_add(
        LatencyCount,
        rows,
        unique=("bucket_at", "drain", "model_id", "key_id", "band"),
        kept=("provider_id",),
        summed=("n_calls",),
    )


def bucket_start(at: datetime) -> datetime:
    """Return the start of the ten minutes: 12:37:05 → 12:30:00."""
    return at.replace(minute=at.minute - at.minute % 10, second=0, microsecond=0)
