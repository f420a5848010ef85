"""What the pages of runs show: status and cost for a list in a fixed number of queries, lanes and failures for one."""

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any

from django.db.models import Count, Max

from processing.admin import show
from processing.models import Attempt, Question, Run
from processing.rules.status import Coverage
from processing.selectors import runs as run_selectors
from processing.selectors.runs import RunFigures
from providers.models import LanguageModel


@dataclass(frozen=True, slots=True)
class RunShown:
    """The derived part of a run, as its row shows it."""

    status: str
    coverage: Coverage
    cost: str


@dataclass(frozen=True, slots=True)
class Failure:
    """The failed questions of a run that share model and cause; `message` is the newest of their errors."""

    model: LanguageModel
    reason: str
    n: int
    message: str


def rows_with_figures(runs: Sequence[Run]) -> None:
    """Set `shown` on each of these runs, in two queries however many they are."""
    coverages = run_selectors.coverages_for(runs)
    figures = run_selectors.figures_for(runs)
    for run in runs:
        coverage = coverages[run.pk]
        status = str(run_selectors.status_for(run, coverage))
        run.shown = RunShown(status, coverage, cost_words(figures[run.pk]))  # type: ignore[attr-defined]


def page_context(run: Run) -> dict[str, Any]:
    """Return what the page of one run shows."""
    rows_with_figures([run])
    shown: RunShown = run.shown  # type: ignore[attr-defined]
    lanes = run_selectors.lanes_for(run)
    paces = [lane.per_minute for lane in lanes if lane.per_minute is not None]
    return {
        "run": run,
        "shown": shown,
        "title": str(run),
        "subtitle": None,
        "lanes": lanes,
        "per_minute": sum(paces) if paces and not run.finished_at else None,
        "eta_s": run_selectors.eta_s(lanes) if not run.finished_at else None,
        "figures": run_selectors.figures_for([run])[run.pk],
        "failures": failures_for(run) if shown.coverage.failed else [],
        "prompt_versions": list(run.prompt_versions.select_related("prompt").order_by("prompt__name")),
        "parts": [(part, getattr(shown.coverage, part)) for part in (*show.PARTS, "open")],
    }


def failures_for(run: Run) -> list[Failure]:
    """Return the failed questions grouped by model and cause, the most frequent first."""
    failed = Question.objects.filter(run=run, status=Question.Status.FAILED)
    groups = list(
        failed.values("model", "reason").annotate(n=Count("id"), newest=Max("id")).order_by("-n")[:50]
    )
    models = LanguageModel.objects.select_related("provider").in_bulk([group["model"] for group in groups])
    messages = _newest_messages([group["newest"] for group in groups])
    return [
        Failure(models[group["model"]], group["reason"], group["n"], messages.get(group["newest"], ""))
        for group in groups
    ]


def _newest_messages(question_ids: Sequence[int]) -> dict[int, str]:
    rows = (
        Attempt.objects.filter(question__in=question_ids)
        .exclude(error_message="")
        .order_by("id")
        .values_list("question_id", "error_message")
    )
    return dict(rows)  # the last of each question stays


def cost_words(figures: RunFigures) -> str:
    """Say a cost with what is not known about it: `$1.20`, `≥ $1.20` when some calls have no known price, or "–"."""
    has_unknown = bool(figures.n_unpriced or figures.n_lost)
    if not figures.n_calls or (has_unknown and not figures.cost_usd):
        return show.DASH
    return f"≥ {show.usd(figures.cost_usd)}" if has_unknown else show.usd(figures.cost_usd)
