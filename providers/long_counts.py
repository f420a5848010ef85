"""What long limits (days, months, hours) have used, from the record of usage: for a limiter that forgot it."""

from collections.abc import Mapping
from datetime import UTC, datetime, timedelta
from typing import Any

from django.db.models import Sum
from django.db.models.functions import TruncHour

from providers.clock import database_now
from providers.facts import PoolLimit
from providers.models import UsageBucket
from providers.rules.periods import period_starts_ms


def limit_used(pool_id: int, limit: PoolLimit) -> list[tuple[int, int]]:
    """Return what the record says was used of a long limit, as (epoch ms, amount), by hours or for the period.

    For a calendar limit one pair: the start of the running period and its sum.
    """
    now = database_now()
    buckets = UsageBucket.objects.filter(key__pool=pool_id)
    if ":" in limit.scope:
        buckets = buckets.filter(model=int(limit.scope.partition(":")[2]))
    if limit.kind == "calendar":
        start_ms, *_ = period_starts_ms(limit.resets, limit.zone, now=now)
        used = buckets.filter(bucket_at__gte=datetime.fromtimestamp(start_ms / 1000, UTC))
        return [(start_ms, _amount(used.aggregate(**_SUMS), limit.what))]
    since = now - timedelta(milliseconds=limit.window_ms or 0)
    hours = buckets.filter(bucket_at__gte=since).annotate(hour=TruncHour("bucket_at")).values("hour")
    rows = hours.annotate(**_SUMS).order_by("hour")
    # at the end of its hour, so that nothing counts too short
    return [(_ms(min(row["hour"] + timedelta(hours=1), now)), _amount(row, limit.what)) for row in rows]


_SUMS = {"requests": Sum("n_calls"), "input": Sum("input_tokens"), "output": Sum("output_tokens")}


def _amount(sums: Mapping[str, Any], what: str) -> int:
    n_input, n_output = sums["input"] or 0, sums["output"] or 0
    amounts = {"input_tokens": n_input, "output_tokens": n_output, "tokens": n_input + n_output}
    return int(amounts.get(what, sums["requests"] or 0))


def _ms(instant: datetime) -> int:
    return round(instant.timestamp() * 1000)
