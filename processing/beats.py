"""The row by which others know that a drain lives: begun, beaten and ended on the database's clock."""

import os
import socket
import uuid
from typing import TYPE_CHECKING, Any

from django.db import transaction
from django.db.models.functions import Now

from processing.models import Drain, Question

if TYPE_CHECKING:
    from processing.drain import DrainPlan


def drain_begin(plan: "DrainPlan") -> Drain:
    """Write the drain's row and return it; from now on it counts as alive."""
    drain = Drain.objects.create(
        id=plan.id, queue=plan.queue, job_id=plan.job_id, worker=plan.worker[:80], host=socket.gethostname()[:120],
        pid=os.getpid(), is_careful=plan.is_careful,
    )  # fmt: skip
    drain.refresh_from_db(fields=["started_at"])
    return drain


def beat(drain: uuid.UUID, figures: dict[str, Any]) -> bool:
    """Renew the drain's life; False when it was declared dead meanwhile: then it must stop."""
    return bool(Drain.objects.filter(pk=drain, ended_at__isnull=True).update(beat_at=Now(), **figures))


def drain_end(drain: uuid.UUID, end: str, n_calls: int) -> None:
    """Close the row and put back whatever is still in the drain's name: it calls nothing any more."""
    with transaction.atomic():
        Question.objects.filter(drain=drain, status=Question.Status.IN_FLIGHT).update(
            status=Question.Status.WAITING, drain=None, reason="released", due_at=Now()
        )
        Drain.objects.filter(pk=drain, ended_at__isnull=True).update(
            ended_at=Now(), end=end, n_in_flight=0, n_calls=n_calls
        )


def drain_fail(drain: uuid.UUID, error: str) -> None:
    """Close the row of a drain that an error of ours ended; the scheduler takes back what it held, as lost."""
    Drain.objects.filter(pk=drain, ended_at__isnull=True).update(
        ended_at=Now(), end=Drain.End.FAILED, error=error[:500], n_in_flight=0
    )
