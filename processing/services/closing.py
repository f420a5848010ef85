"""Ending runs: a run is closed when no question of it is open, by one conditional statement that anyone may repeat.

At that moment its counters are taken from its questions, its domains are released and get their next due
date, and what the newest results say of each domain is written down.
"""

from collections.abc import Iterable
from datetime import timedelta

from django.conf import settings
from django.db import connection, transaction
from django.db.models import Count, Exists, F, OuterRef, QuerySet, Subquery
from django.db.models.functions import Coalesce, Now

from processing.models import Domain, Question, Run
from processing.signals import run_finished


def open_questions() -> QuerySet[Question]:
    """Return the questions that wait or are in flight."""
    return Question.objects.filter(status__in=Question.OPEN)


def runs_close(run_ids: Iterable[int]) -> list[int]:
    """Close each of these runs that has no open question and return those closed by this call."""
    candidates = Run.objects.filter(pk__in=list(run_ids), finished_at__isnull=True, planned_at__isnull=False)
    ready = candidates.exclude(
        Exists(open_questions().filter(run=OuterRef("pk"), run__cancelled_at__isnull=True))
    )
    return [run_id for run_id in ready.values_list("pk", flat=True) if run_close(run_id)]


def run_close(run_id: int) -> bool:
    """Close one run if nothing of it is open; True when this call closed it."""
    with transaction.atomic():
        run = Run.objects.select_for_update().get(pk=run_id)
        if run.finished_at or not run.planned_at:
            return False
        if run.cancelled_at:
            Question.objects.filter(run=run, status=Question.Status.WAITING).update(
                status=Question.Status.CANCELLED, reason="cancelled", finished_at=Now()
            )
        counts = dict(Question.objects.filter(run=run).values_list("status").annotate(n=Count("id")))
        if any(counts.get(status) for status in Question.OPEN):
            return False
        Run.objects.filter(pk=run_id).update(finished_at=Now(), **_final_counts(counts))
        if run.kind != Run.Kind.PROBE:
            _domains_update(run)
        _domains_release(run)
        transaction.on_commit(lambda: run_finished.send(Run, run_id=run_id))
    return True


def runs_expire() -> int:
    """Fail what is open, but not in flight, in runs past their deadline; return how many questions expired."""
    late = Run.objects.filter(finished_at__isnull=True, planned_at__isnull=False, deadline_at__lte=Now())
    n = Question.objects.filter(run__in=late.values("pk"), status=Question.Status.WAITING).update(
        status=Question.Status.FAILED, reason="expired", finished_at=Now()
    )
    runs_close(late.values_list("pk", flat=True))
    return n


def _final_counts(counts: dict[str, int]) -> dict[str, int]:
    return {
        f"n_{status}": counts.get(status, 0)
        for status in ("answered", "failed", "declined", "skipped", "cancelled")
    }


def _domains_release(run: Run) -> None:
    """Give the run's domains free and set when they are due: at once after a cancelled run, else by refresh time."""
    held = Domain.objects.filter(open_run=run)
    if run.cancelled_at:
        held.update(open_run=None, due_at=Now())
        return
    shortest = (
        Domain.cohorts.through.objects.filter(domain=OuterRef("pk"), cohort__refresh_after_days__isnull=False)
        .order_by("cohort__refresh_after_days")
        .values("cohort__refresh_after_days")[:1]
    )
    held = held.annotate(
        days=Coalesce(F("refresh_after_days"), Subquery(shortest), settings.REFRESH_AFTER_DAYS)
    )
    held.filter(days__isnull=True).update(open_run=None, due_at=None)
    for days in list(held.values_list("days", flat=True).distinct().order_by()):
        held.filter(days=days).update(open_run=None, due_at=Now() + timedelta(days=days))


def _domains_update(run: Run) -> None:
    """Write down, for each domain of the run, its last selection and how many of its cells have an answer."""
    asked = Domain.objects.filter(pk__in=Question.objects.filter(run=run).values("domain_id"))
    if run.parent_run_id is None:
        chosen = asked.filter(selection_run__isnull=True) if run.cancelled_at else asked
        chosen.update(selection_run=run)
    answered = Question.objects.filter(run=run, status=Question.Status.ANSWERED).values("domain_id")
    Domain.objects.filter(pk__in=answered).update(last_answered_at=Now())
    with connection.cursor() as cursor:
        cursor.execute(_CELLS_SQL, [run.pk])


# The newest result per cell of each domain's last selection, over that run and those that asked its cells again.
_CELLS_SQL = f"""
WITH results AS (
    SELECT q.domain_id, q.status, ROW_NUMBER() OVER (
        PARTITION BY q.domain_id, q.prompt_version_id, q.model_id ORDER BY q.id DESC
    ) AS age
    FROM {Question._meta.db_table} q
    JOIN {Domain._meta.db_table} d ON d.id = q.domain_id
    JOIN {Run._meta.db_table} r ON r.id = q.run_id
    WHERE q.domain_id IN (SELECT domain_id FROM {Question._meta.db_table} WHERE run_id = %s)
      AND (r.id = d.selection_run_id OR r.parent_run_id = d.selection_run_id)
      AND r.kind <> 'probe' AND q.status IN ('answered', 'failed', 'declined', 'skipped')
), sums AS (
    SELECT domain_id, COUNT(*) AS n_cells,
           SUM(CASE WHEN status IN ('answered', 'skipped') THEN 1 ELSE 0 END) AS n_answered
    FROM results WHERE age = 1 GROUP BY domain_id
)
UPDATE {Domain._meta.db_table} SET n_cells = sums.n_cells, n_answered_cells = sums.n_answered
FROM sums WHERE {Domain._meta.db_table}.id = sums.domain_id
"""
