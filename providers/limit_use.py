"""How much of each limit was used, from the record of calls; the limiter's own counts stand in Redis and are exact."""

from collections import defaultdict
from collections.abc import Iterable, Mapping
from dataclasses import dataclass
from datetime import UTC, datetime, timedelta
from typing import Any

from django.db.models import Q, Sum

from providers.models import Limit, UsageBucket
from providers.rules.periods import period_starts_ms

_MINUTE_S = 60
_COUNTED = ("n_calls", "input_tokens", "output_tokens")


@dataclass(frozen=True, slots=True)
class LimitUse:
    """A limit and what was used of it in its newest full window, or since its reset; None: the record cannot tell."""

    limit: Limit
    used: int | None

    @property
    def share(self) -> float | None:
        """The used part, 0–1; above 1 when a provider took more than the limit says."""
        return None if self.used is None else round(self.used / self.limit.amount, 4)


def limit_uses(*, at: datetime) -> dict[int, list[LimitUse]]:
    """Return pool id → the use of its limits around `at`, by two queries.

    The record counts by minutes, so a window is taken back from the last full minute; calls count when they end.
    What is shorter than a minute, and calls at once, are not known from it.
    """
    limits = list(Limit.objects.select_related("pool", "model").order_by("pool", "what", "per_s"))
    starts = {start for limit in limits if (start := _start(limit, at)) is not None}
    sums = _sums(starts, until=at.replace(second=0, microsecond=0))
    uses: defaultdict[int, list[LimitUse]] = defaultdict(list)
    for limit in limits:
        start = _start(limit, at)
        used = None if start is None else _used(limit, sums[start])
        uses[limit.pool_id].append(LimitUse(limit, used))
    return dict(uses)


def _start(limit: Limit, at: datetime) -> datetime | None:
    if limit.resets != Limit.Resets.ROLLING:
        starts_ms = period_starts_ms(limit.resets, limit.reset_zone, now=at)
        return datetime.fromtimestamp(starts_ms[0] / 1000, UTC)
    if limit.per_s < _MINUTE_S:
        return None
    return at.replace(second=0, microsecond=0) - timedelta(seconds=limit.per_s)


_Sums = dict[datetime, list[tuple[int, int, Mapping[str, int]]]]  # start → (pool, model, what was counted)


def _sums(starts: Iterable[datetime], *, until: datetime) -> _Sums:
    ordered = sorted(starts)
    found: _Sums = {start: [] for start in ordered}
    if not ordered:
        return found
    sums = {
        f"{name}_{n}": Sum(name, filter=Q(bucket_at__gte=start))
        for n, start in enumerate(ordered)
        for name in _COUNTED
    }
    used = UsageBucket.objects.filter(bucket_at__gte=ordered[0], bucket_at__lt=until).order_by()
    rows: Iterable[Mapping[str, Any]] = used.values("key__pool", "model").annotate(**sums)
    for row in rows:
        for n, start in enumerate(ordered):
            counts = {name: row[f"{name}_{n}"] or 0 for name in _COUNTED}
            found[start].append((row["key__pool"], row["model"], counts))
    return found


def _used(limit: Limit, sums: Iterable[tuple[int, int, Mapping[str, int]]]) -> int:
    return sum(
        _amount(limit.what, counts)
        for pool_id, model_id, counts in sums
        if pool_id == limit.pool_id and limit.model_id in (None, model_id)
    )


def _amount(what: str, counts: Mapping[str, Any]) -> int:
    both = counts["input_tokens"] + counts["output_tokens"]
    amounts = {
        "input_tokens": counts["input_tokens"],
        "output_tokens": counts["output_tokens"],
        "tokens": both,
    }
    return int(amounts.get(what, counts["n_calls"]))
