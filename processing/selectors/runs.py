"""What a run's pages and endpoints show: coverage, lanes, pace, cost, and its status in SQL for filters.

Coverage of an open run is counted from its questions (one index-only pass), so it never drifts; a finished run
carries its final counts. Nothing is estimated here but the time left, and that is None where it is not known.
"""

from collections import defaultdict
from collections.abc import Iterable, Mapping
from dataclasses import dataclass
from datetime import datetime, timedelta
from decimal import Decimal
from typing import Any

from django.db.models import Case, Count, F, QuerySet, Sum, Value, When

from processing.dispatch import drains_alive
from processing.models import Question, Run, RunUsage
from processing.rules.status import Coverage, RunStatus, run_status
from processing.services.selection import model_name
from providers.clock import database_now
from providers.models import LanguageModel
from providers.paces import requests_per_minute_for
from providers.selectors import blocked_reasons

PACE_WINDOW = timedelta(minutes=5)
RATE_LIMIT = "its rate limit"  # as `processing.lane` says it
ENDED = ("answered", "failed", "declined", "skipped", "cancelled")


@dataclass(frozen=True, slots=True)
class LaneView:
    """One model of a run. `per_minute` None: it has not asked yet. `waiting_for` "": it is asking.

    `limit_per_minute`: what its limits allow in the long run, while it waits for them; None: not known.
    """

    model: LanguageModel
    coverage: Coverage
    per_minute: float | None
    waiting_for: str
    until: datetime | None
    limit_per_minute: float | None = None


@dataclass(frozen=True, slots=True)
class RunFigures:
    """Money in USD. `cost_usd` counts what is known; `n_unpriced` answers have no known cost.

    `cost_at_risk_usd` is what lost calls may have cost: 0 without lost calls, else None (nobody knows).
    """

    cost_usd: Decimal
    n_unpriced: int
    n_calls: int
    n_lost: int
    input_tokens: int
    output_tokens: int

    @property
    def cost_at_risk_usd(self) -> Decimal | None:
        """What calls may have cost whose end nobody knows."""
        return None if self.n_lost else Decimal(0)


def coverages_for(runs: Iterable[Run]) -> dict[int, Coverage]:
    """Return run id → coverage for any number of runs by one query at most."""
    runs = list(runs)
    counts: defaultdict[int, dict[str, int]] = defaultdict(dict)
    open_ids = [run.pk for run in runs if not run.finished_at]
    if open_ids:
        rows = Question.objects.filter(run__in=open_ids).order_by().values_list("run_id", "status")
        for run_id, status, n in rows.annotate(n=Count("id")):
            counts[run_id][status] = n
    return {
        run.pk: _stored_coverage(run) if run.finished_at else _counted(run, counts[run.pk]) for run in runs
    }


def coverage_for(run: Run) -> Coverage:
    """Return the coverage of one run."""
    return coverages_for([run])[run.pk]


def status_for(run: Run, coverage: Coverage) -> RunStatus:
    """Return the derived status of a run."""
    return run_status(
        coverage,
        is_planned=run.planned_at is not None,
        is_paused=run.paused_at is not None,
        is_cancelled=run.cancelled_at is not None,
        is_finished=run.finished_at is not None,
    )


def with_status(runs: QuerySet[Run]) -> QuerySet[Run]:
    """Annotate `status_name`: the same rule as `rules.status.run_status`, in SQL, for filters and counts."""
    return runs.annotate(
        status_name=Case(
            When(cancelled_at__isnull=False, then=Value(RunStatus.CANCELLED.value)),
            When(finished_at__isnull=True, planned_at__isnull=True, then=Value(RunStatus.PLANNING.value)),
            When(finished_at__isnull=True, paused_at__isnull=False, then=Value(RunStatus.PAUSED.value)),
            When(finished_at__isnull=True, then=Value(RunStatus.RUNNING.value)),
            When(n_answered=0, then=Value(RunStatus.FAILED.value)),
            When(n_questions=F("n_answered") + F("n_skipped"), then=Value(RunStatus.COMPLETED.value)),
            default=Value(RunStatus.PARTIAL.value),
        )
    )


def figures_for(runs: Iterable[Run]) -> dict[int, RunFigures]:
    """Return run id → calls, tokens and cost, by one query."""
    ids = [run.pk for run in runs]
    sums = RunUsage.objects.filter(run__in=ids).order_by().values("run_id")
    rows: dict[int, Mapping[str, Any]] = {
        row["run_id"]: row for row in sums.annotate(**{f"{name}_sum": Sum(name) for name in _SUMMED})
    }
    return {run_id: _figures(rows.get(run_id, {})) for run_id in ids}


def lanes_for(run: Run) -> list[LaneView]:
    """Return one view per model of the run, by name."""
    counts: defaultdict[int, dict[str, int]] = defaultdict(dict)
    rows = (
        Question.objects.filter(run=run).order_by().values_list("model_id", "status").annotate(n=Count("id"))
    )
    for model_id, status, n in rows:
        counts[model_id][status] = n
    pace = _answers_per_minute(run)
    models = list(run.language_models.select_related("provider").order_by("provider__name", "name"))
    blocked = blocked_reasons([model.pk for model in models])
    naps = _what_drains_wait_for()
    allowed = requests_per_minute_for([model for model in models if naps.get(model.pk) == RATE_LIMIT])
    lanes = []
    for model in models:
        coverage = _coverage(sum(counts[model.pk].values()) if run.planned_at else None, counts[model.pk])
        waiting_for = (
            _waiting_for(run, blocked.get(model.pk, ""), naps.get(model.pk)) if coverage.open else ""
        )
        own_limit = allowed.get(model.pk) if waiting_for == RATE_LIMIT else None
        lanes.append(LaneView(model, coverage, pace.get(model.pk), waiting_for, model.lane_until, own_limit))
    return lanes


def eta_s(lanes: Iterable[LaneView]) -> float | None:
    """Return the seconds until the slowest lane is through at its present pace; None while a lane has none.

    A lane that waits for its limits goes on at their pace when that is slower: a burst says nothing about what follows.
    Example: 300 open at 60 per minute are 300 s, whatever faster lanes do; with a limit of 30 per minute, 600 s.
    """
    left_s = [0.0]
    for lane in lanes:
        if not lane.coverage.open:
            continue
        if not lane.per_minute:
            return None
        per_minute = min(lane.per_minute, lane.limit_per_minute or lane.per_minute)
        left_s.append(lane.coverage.open / per_minute * 60)
    return max(left_s)


def lane_name(lane: LaneView) -> str:
    """Return the lane's model as the API names it."""
    return model_name(lane.model)


_SUMMED = ("cost_usd", "n_unpriced", "n_calls", "n_lost", "input_tokens", "output_tokens")


def _figures(row: Mapping[str, Any]) -> RunFigures:
    sums: dict[str, Any] = {name: row.get(f"{name}_sum") or 0 for name in _SUMMED}
    return RunFigures(**sums | {"cost_usd": Decimal(sums["cost_usd"])})


def _stored_coverage(run: Run) -> Coverage:
    return Coverage(
        run.n_questions, run.n_answered, run.n_failed, run.n_declined, run.n_skipped, run.n_cancelled
    )


def _counted(run: Run, counts: dict[str, int]) -> Coverage:
    return _coverage(run.n_questions if run.planned_at else None, counts)


def _coverage(questions: int | None, counts: dict[str, int]) -> Coverage:
    return Coverage(questions, **{name: counts.get(name, 0) for name in ENDED})


def _answers_per_minute(run: Run) -> dict[int, float]:
    """Return model id → questions ended per minute over the last 5 minutes, or since the start if that is less."""
    if run.started_at is None:
        return {}
    now = database_now()
    since = max(run.started_at, now - PACE_WINDOW)
    minutes = max((now - since).total_seconds(), 1.0) / 60
    ended = Question.objects.filter(run=run, finished_at__gte=since).order_by().values_list("model_id")
    return {model_id: n / minutes for model_id, n in ended.annotate(n=Count("id"))}


def _what_drains_wait_for() -> dict[int, str]:
    naps: dict[int, str] = {}
    for lanes in drains_alive().values_list("lanes", flat=True):
        naps |= {lane["model"]: lane["waiting_for"] for lane in lanes}
    return naps


def _waiting_for(run: Run, blocked: str, nap: str | None) -> str:
    if run.finished_at or run.cancelled_at:
        return ""
    if run.paused_at:
        return run.pause_reason or "the run is paused"
    return blocked or ("a worker" if nap is None else nap)
