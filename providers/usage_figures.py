"""What calls of a span of time came to, by provider, model or key: counts, errors, tokens, cost, latency, limits.

All from the record, by a fixed number of queries; what is not known is None. Who may see it is not decided here.
"""

from collections import Counter, defaultdict
from collections.abc import Iterable, Mapping
from dataclasses import dataclass, field
from datetime import datetime
from decimal import Decimal
from enum import StrEnum
from typing import Any

from django.db.models import Max, Sum

from providers.latencies import bucket_start
from providers.limit_use import LimitUse, limit_uses
from providers.models import ApiKey, LanguageModel, LatencyCount, Provider, UsageBucket
from providers.overview import provider_states
from providers.protocols.base import Outcome
from providers.rules.latency import percentile_ms

ANSWERED = (Outcome.ANSWERED, Outcome.TRUNCATED)
DECLINED = (Outcome.REFUSED, Outcome.BLOCKED)
_SUMMED = (
    "n_calls", "input_tokens", "output_tokens", "reasoning_tokens", "cached_tokens", "cost_usd", "n_unpriced",
)  # fmt: skip


class GroupBy(StrEnum):
    """What the rows stand for."""

    PROVIDER = "provider"
    MODEL = "model"
    KEY = "key"


@dataclass(slots=True)
class UsageFigures:
    """One row. `failed` counts by outcome what was neither answered nor declined; a truncated answer is an answer.

    `last_ok_at` of a model is the newest minute of the span with an answer; else the last success of any time.
    """

    provider: Provider
    model: LanguageModel | None = None
    key: ApiKey | None = None
    calls: int = 0
    answered: int = 0
    declined: int = 0
    failed: dict[str, int] = field(default_factory=dict)
    sums: dict[str, Any] = field(default_factory=dict)
    latencies: Mapping[int, int] = field(default_factory=dict)
    state: str = ""
    limits: list[LimitUse] = field(default_factory=list)
    last_ok_at: datetime | None = None

    @property
    def error_share(self) -> float | None:
        """The failed part of the calls, 0–1; None without calls."""
        return round(sum(self.failed.values()) / self.calls, 4) if self.calls else None

    @property
    def cost_usd(self) -> Decimal | None:
        """What is known to have been paid; None when no call has a known price."""
        cost = Decimal(self.sums.get("cost_usd") or 0)
        return None if not cost and self.unpriced_calls else cost

    @property
    def unpriced_calls(self) -> int:
        """Answers whose cost nobody knows."""
        return int(self.sums.get("n_unpriced") or 0)

    def tokens(self, name: str) -> int | None:
        """Return a sum of tokens; None when there were answers and no provider told."""
        n = int(self.sums.get(name) or 0)
        return None if not n and self.answered and name in ("input_tokens", "output_tokens") else n

    def latency_ms(self, percent: float) -> float | None:
        """Return a percentile of the time that replies took, within 5 %; None without replies."""
        return percentile_ms(self.latencies, percent)


def usage_for(
    *, since: datetime, until: datetime, group_by: GroupBy, provider: Provider | None = None
) -> list[UsageFigures]:
    """Return a row for whatever was called from `since` until before `until`, and for what could have been, by name.

    Without calls stand enabled providers that have a key in service, their default models, and these keys. Times are
    cut to the minute, for latencies to ten minutes. Limits are those of now, used by `until`.
    """
    rows = _empty_rows(group_by)
    called = UsageBucket.objects.filter(
        bucket_at__gte=since.replace(second=0, microsecond=0), bucket_at__lt=until
    )
    timed = LatencyCount.objects.filter(bucket_at__gte=bucket_start(since), bucket_at__lt=until)
    if provider is not None:
        rows = {pk: row for pk, row in rows.items() if row.provider == provider}
        called, timed = called.filter(provider=provider), timed.filter(provider=provider)
    sums = {f"{name}_sum": Sum(name) for name in _SUMMED}
    for line in called.order_by().values(group_by, "outcome").annotate(newest=Max("bucket_at"), **sums):
        _count(rows[line[group_by]], line)
    bands: defaultdict[int, Counter[int]] = defaultdict(Counter)
    for group, band, n in timed.order_by().values_list(group_by, "band").annotate(n=Sum("n_calls")):
        bands[group][band] += n
    for group, counts in bands.items():
        rows[group].latencies = counts
    with_key = set(ApiKey.objects.exclude(state=ApiKey.State.DISABLED).values_list("provider", flat=True))
    shown = [
        row
        for row in rows.values()
        if row.calls or row.latencies or (row.provider.pk in with_key and _is_in_service(row))
    ]
    _complete(shown, limit_uses(at=until))
    return shown


def _empty_rows(group_by: GroupBy) -> dict[int, UsageFigures]:
    if group_by is GroupBy.PROVIDER:
        return {one.pk: UsageFigures(one) for one in Provider.objects.order_by("name")}
    if group_by is GroupBy.MODEL:
        models = LanguageModel.objects.select_related("provider").order_by("provider__name", "name")
        return {one.pk: UsageFigures(one.provider, model=one) for one in models}
    keys = ApiKey.objects.select_related("provider", "pool").order_by("provider__name", "id")
    return {one.pk: UsageFigures(one.provider, key=one) for one in keys}


def _count(row: UsageFigures, line: Mapping[str, Any]) -> None:
    n = line["n_calls_sum"]
    row.calls += n
    if line["outcome"] in ANSWERED:
        row.answered += n
        row.last_ok_at = max(line["newest"], row.last_ok_at or line["newest"])
    elif line["outcome"] in DECLINED:
        row.declined += n
    else:
        row.failed[line["outcome"]] = row.failed.get(line["outcome"], 0) + n
    for name in _SUMMED:
        row.sums[name] = row.sums.get(name, 0) + (line[f"{name}_sum"] or 0)


def _is_in_service(row: UsageFigures) -> bool:
    """Whether calls could have been expected: the provider is on and, as far as the row says, in use."""
    if not row.provider.is_enabled:
        return False
    if row.key is not None:
        return row.key.state != ApiKey.State.DISABLED
    return row.model is None or row.model.is_default


def _complete(rows: Iterable[UsageFigures], uses: Mapping[int, list[LimitUse]]) -> None:
    """Add state, last success and the limits that bind a row."""
    states = provider_states()
    pools: defaultdict[int, list[LimitUse]] = defaultdict(list)
    for found in uses.values():
        for use in found:
            pools[use.limit.pool.provider_id].append(use)
    for row in rows:
        row.limits = pools[row.provider.pk]
        if row.model is not None:
            row.state = row.model.lane
            row.limits = [use for use in row.limits if use.limit.model_id in (None, row.model.pk)]
        elif row.key is None:
            row.state, row.last_ok_at = states[row.provider.pk]
        else:
            row.state, row.last_ok_at = row.key.state, row.key.last_ok_at
            row.limits = uses.get(row.key.pool_id, [])
