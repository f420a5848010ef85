"""What the page of one domain shows: the newest answer of every prompt × model, and why a cell has none."""

from collections import Counter
from collections.abc import Iterable
from dataclasses import dataclass
from typing import Any

from django.db.models import Count, Max, Q, QuerySet

from processing.admin import show
from processing.models import Attempt, Domain, Question, Run
from processing.models.prompts import Prompt
from processing.rules.status import Coverage, RunStatus
from processing.selectors.runs import coverages_for, status_for

RUNS_SHOWN = 8


@dataclass(frozen=True, slots=True)
class Cell:
    """One prompt × model of a domain.

    `newest` is the newest question that says something about it, `answered` the newest with an answer (often
    the same), `error` the last call of a newest one that failed or was declined.
    """

    newest: Question
    answered: Question | None
    error: Attempt | None

    @property
    def answer(self) -> Attempt | None:
        """The newest answer, from whatever run."""
        return self.answered.answer if self.answered else None


def page_context(domain: Domain) -> dict[str, Any]:
    """Return what the page of one domain shows."""
    cells = cells_for(domain)
    return {
        "domain": domain,
        "title": domain.unicode_name or domain.name,
        "subtitle": None,
        "by_prompt": _by_prompt(cells),
        "n_answers": sum(cell.answer is not None for cell in cells),
        "n_cells": len(cells),
        "runs": runs_for(domain),
        "was_asked": bool(cells) or domain.questions.exists(),
    }


def cells_for(domain: Domain) -> list[Cell]:
    """Return the cells that were ever asked, by prompt and model; probes enter no page."""
    questions = Question.objects.filter(domain=domain).exclude(run__kind=Run.Kind.PROBE)
    groups = list(
        questions.values("prompt_version__prompt", "model").annotate(
            newest=Max("id", filter=~Q(status=Question.Status.CANCELLED)),
            answered=Max("id", filter=Q(status=Question.Status.ANSWERED)),
        )
    )
    wanted = {group[key] for group in groups for key in ("newest", "answered") if group[key]}
    found = _with_all(Question.objects.filter(pk__in=wanted)).in_bulk()
    errors = _last_errors(question for question in found.values() if question.status in _WITHOUT_ANSWER)
    cells = [
        Cell(found[group["newest"]], found.get(group["answered"]), errors.get(group["newest"]))
        for group in groups
        if group["newest"]
    ]
    return sorted(cells, key=lambda cell: (cell.newest.prompt_version.prompt.label, str(cell.newest.model)))


_WITHOUT_ANSWER = (Question.Status.FAILED, Question.Status.DECLINED)


def _with_all(questions: QuerySet[Question]) -> QuerySet[Question]:
    return questions.select_related("prompt_version__prompt", "model__provider", "run", "answer")


def _last_errors(questions: Iterable[Question]) -> dict[int, Attempt]:
    rows = (
        Attempt.objects.filter(question__in=[q.pk for q in questions])
        .defer("text", "citations")
        .order_by("id")
    )
    return {attempt.question_id: attempt for attempt in rows}  # the last of each question stays


def _by_prompt(cells: list[Cell]) -> list[tuple[Prompt, list[Cell]]]:
    grouped: dict[int, tuple[Prompt, list[Cell]]] = {}
    for cell in cells:
        prompt = cell.newest.prompt_version.prompt
        grouped.setdefault(prompt.pk, (prompt, []))[1].append(cell)
    return list(grouped.values())


def runs_for(domain: Domain) -> list[tuple[Run, RunStatus, Coverage]]:
    """Return the newest runs that asked about the domain, with the coverage of its own questions in each.

    Only the domain's questions are counted, never those of a whole run.
    """
    own = Question.objects.filter(domain=domain).order_by()
    runs = list(Run.objects.filter(pk__in=own.values("run")).order_by("-id")[:RUNS_SHOWN])
    stored = coverages_for(run for run in runs if run.finished_at)
    counts: dict[int, Counter[str]] = {run.pk: Counter() for run in runs}
    rows = own.filter(run__in=runs).values_list("run_id", "status").annotate(n=Count("id"))
    for run_id, status, n in rows:
        counts[run_id][status] = n
    return [
        (run, status_for(run, stored.get(run.pk, Coverage(run.n_questions))), _coverage(counts[run.pk]))
        for run in runs
    ]


def _coverage(counts: Counter[str]) -> Coverage:
    return Coverage(counts.total(), **{part: counts[part] for part in show.PARTS})
