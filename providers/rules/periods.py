"""When days and months begin in a time zone: where limits that reset by the calendar start to count anew."""

from datetime import datetime, timedelta
from functools import lru_cache
from zoneinfo import ZoneInfo

N_STARTS = 3  # the running period and the next ones: a clock that is a little off still finds its period


def period_starts_ms(kind: str, zone: str, *, now: datetime) -> list[int]:
    """Return the starts of the running `day` or `month` in `zone` and of those that follow, in epoch milliseconds.

    Worked example: day, America/Los_Angeles, 2026-11-24 12:00 UTC → 08:00 UTC of the 24th, 25th and 26th.
    """
    return list(_starts_ms(kind, zone, now.replace(minute=0, second=0, microsecond=0)))


@lru_cache(maxsize=200)
def _starts_ms(kind: str, zone: str, hour: datetime) -> tuple[int, ...]:
    local = hour.astimezone(ZoneInfo(zone))
    start = local.replace(hour=0, minute=0, day=1 if kind == "month" else local.day)
    starts = [start]
    for _ in range(N_STARTS - 1):
        # noon of the next day, or some day of the next month, whatever the clocks were changed by
        later = starts[-1] + (timedelta(days=32) if kind == "month" else timedelta(hours=36))
        starts.append(later.replace(hour=0, day=1 if kind == "month" else later.day))
    return tuple(round(one.replace(fold=0).timestamp() * 1000) for one in starts)
