"""Taking back what dead drains held: a call that may have been made becomes a `lost` attempt, its question waits.

Run by the scheduler only. From its second loss on a question is asked alone (a careful drain); after three
losses there it has failed as `poison`: whatever it does to workers, it does not do it for ever.
"""

import logging
import uuid
from collections import Counter
from datetime import timedelta

from django.db import transaction
from django.db.models import F
from django.db.models.functions import Now

from processing.claims import attempt_id
from processing.models import Drain, Question, Run
from processing.rules.outcomes import POISON_AFTER_LOSSES
from processing.services.closing import runs_close
from processing.services.recording import RUN_USAGE_SUMS, attempts_insert, run_usage_add
from providers.protocols.base import Outcome

logger = logging.getLogger(__name__)

BATCH = 500
UNBIND_AFTER = timedelta(seconds=60)
_NO_USAGE = dict.fromkeys(RUN_USAGE_SUMS, 0)


def dead_drains_reclaim() -> int:
    """Declare drains dead that have not beaten for 20 s, take their questions back and return how many."""
    silent = Drain.objects.filter(ended_at__isnull=True, beat_at__lt=Now() - Drain.DEAD_AFTER)
    for drain in silent:
        # conditional, so that a drain that beats at this very moment is left alone
        if silent.filter(pk=drain.pk).update(ended_at=Now(), end=Drain.End.DEAD, n_in_flight=0):
            logger.warning("drain %s (%s, pid %d) is dead: no beat for 20 s", drain.pk, drain.host, drain.pid)
    owners = (
        Question.objects.filter(status=Question.Status.IN_FLIGHT)
        .order_by()
        .values_list("drain", flat=True)
        .distinct()
    )
    gone = Drain.objects.filter(pk__in=list(owners), ended_at__isnull=False).values_list("pk", flat=True)
    return sum(drain_reclaim(drain) for drain in list(gone))


def runs_unbind() -> int:
    """Give runs that only one drain may ask to all, once that drain is gone; return how many.

    It is the process of an ultra-fast call that died: a minute is more than it needs from run to first beat.
    """
    alive = Drain.objects.filter(ended_at__isnull=True).values("pk")
    bound = Run.objects.filter(finished_at__isnull=True, drain_only__isnull=False)
    return (
        bound.filter(created_at__lt=Now() - UNBIND_AFTER)
        .exclude(drain_only__in=alive)
        .update(drain_only=None)
    )


def drain_reclaim(drain: uuid.UUID) -> int:
    """Take back all questions of an ended drain, in batches, and return how many."""
    n = 0
    while batch := _batch_reclaim(drain):
        n += batch
    if n:
        logger.warning("reclaimed %d questions of drain %s", n, drain)
    return n


def _batch_reclaim(drain: uuid.UUID) -> int:
    with transaction.atomic():
        held = list(
            Question.objects.select_for_update()
            .filter(drain=drain, status=Question.Status.IN_FLIGHT)
            .order_by("id")
            .values_list("pk", "claim_no", "n_losses", "run_id", "model_id")[:BATCH]
        )
        if not held:
            return 0
        attempts_insert([_lost_attempt(drain, question_id, claim_no) for question_id, claim_no, *_ in held])
        ids = [question_id for question_id, *_ in held]
        poisoned = [
            question_id for question_id, _, n_losses, _, _ in held if n_losses + 1 >= POISON_AFTER_LOSSES
        ]
        lost = Counter((run_id, model_id) for *_, run_id, model_id in held)
        run_usage_add(drain, {lane: _NO_USAGE | {"n_calls": n, "n_lost": n} for lane, n in lost.items()})
        owned = Question.objects.filter(drain=drain, status=Question.Status.IN_FLIGHT)
        owned.filter(pk__in=poisoned).update(
            status=Question.Status.FAILED, reason=Outcome.POISON, drain=None, finished_at=Now(),
            n_losses=F("n_losses") + 1, n_calls=F("n_calls") + 1,
        )  # fmt: skip
        owned.filter(pk__in=ids).update(
            status=Question.Status.WAITING, reason=Outcome.LOST, drain=None, due_at=Now(),
            n_losses=F("n_losses") + 1, n_calls=F("n_calls") + 1,
        )  # fmt: skip
    if poisoned:
        runs_close({run_id for run_id, _ in lost})
    return len(held)


def _lost_attempt(drain: uuid.UUID, question_id: int, claim_no: int) -> dict[str, object]:
    return {
        "uuid": attempt_id(question_id, claim_no),
        "question_id": question_id,
        "drain": drain,
        "outcome": str(Outcome.LOST),
        "error_message": "Its worker died before it could say how the call ended.",
    }
