"""Putting drains to work: at most one per live worker of the fleet, and never more than the work needs.

What counts as alive are `Drain` rows with a fresh beat plus jobs that wait in a drain queue, never RQ's
registries. Called after a run is planned, at every drain's end, and by the scheduler; calling it twice is harmless.
"""

import logging
import math

from django.db.models import Exists, OuterRef, QuerySet
from django.db.models.functions import Now
from redis.exceptions import RedisError

from processing import queue
from processing.models import Drain, Question, Run
from processing.rules.outcomes import CAREFUL_AFTER_LOSSES
from providers.keyring import askable_model_ids

logger = logging.getLogger(__name__)

# Below this many due questions a second drain would only take work from the first.
QUESTIONS_PER_DRAIN = 200
HIGH_FROM, DEFAULT_FROM = 8, 4


def open_runs() -> QuerySet[Run]:
    """Return the runs that may be asked now, most urgent first."""
    return Run.objects.filter(
        finished_at__isnull=True, planned_at__isnull=False, paused_at__isnull=True, cancelled_at__isnull=True
    ).order_by("-priority", "id")


def drains_alive() -> QuerySet[Drain]:
    """Return the drains that beat and go on: not those at the end of their slice, nor those of one run only."""
    return Drain.objects.filter(ended_at__isnull=True, end="", beat_at__gt=Now() - Drain.DEAD_AFTER).exclude(
        queue=""
    )


def due_questions(*, careful: bool = False) -> QuerySet[Question]:
    """Return the waiting questions that can be asked now: due, in an open run, on a lane that is not blocked."""
    losses = {"n_losses__gte" if careful else "n_losses__lt": CAREFUL_AFTER_LOSSES}
    return Question.objects.filter(
        run__in=open_runs().filter(drain_only__isnull=True).order_by().values("pk"),
        model__in=askable_model_ids(), status=Question.Status.WAITING, due_at__lte=Now(), **losses,
    )  # fmt: skip


def is_surplus(drain: Drain) -> bool:
    """Whether drains that began earlier already are as many as the work needs."""
    earlier = (
        drains_alive()
        .filter(is_careful=drain.is_careful, started_at__lte=drain.started_at)
        .exclude(pk=drain.pk)
    )
    n_earlier = sum(1 for other in earlier if (other.started_at, other.pk) < (drain.started_at, drain.pk))
    return n_earlier >= (1 if drain.is_careful else max(1, _drains_wanted()))


def queue_for(priority: int) -> str:
    """Return the queue of a run's drains by its priority: 10–8 high, 7–4 default, 3–1 low."""
    if priority >= HIGH_FROM:
        return "high"
    return "default" if priority >= DEFAULT_FROM else "low"


def drains_dispatch() -> int:
    """Enqueue the drains that are missing and return how many; 0 with a log line when Redis does not answer."""
    try:
        return _dispatch(careful=False) + _dispatch(careful=True)
    except RedisError as error:
        logger.warning("drains not dispatched: Redis does not answer (%s); the scheduler tries again", error)
        return 0


def _dispatch(*, careful: bool) -> int:
    urgent = _most_urgent_run(careful=careful)
    if urgent is None:
        return 0
    alive = drains_alive().filter(is_careful=careful).count()
    waiting = sum(queue.drain_queue_lengths().values())
    wanted = 1 if careful else _drains_wanted()
    missing = wanted - alive - waiting
    for _ in range(missing):
        queue.drain_enqueue(queue_for(urgent.priority), careful=careful)
    if missing > 0:
        logger.info("dispatched %d drain(s) for run %s", missing, urgent.pk)
    return max(missing, 0)


def _drains_wanted() -> int:
    workers = queue.workers_alive()
    most = max(1, workers)
    sample = due_questions()[: most * QUESTIONS_PER_DRAIN].count()
    return min(most, math.ceil(sample / QUESTIONS_PER_DRAIN))


def _most_urgent_run(*, careful: bool) -> Run | None:
    due = due_questions(careful=careful).filter(run=OuterRef("pk"))
    return open_runs().filter(Exists(due)).first()
