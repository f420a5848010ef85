"""Asking in the caller's own request: a drain of one's own, in this thread's own event loop, with a deadline.

It is the same drain as everywhere, bound to its one run. At the deadline what is open either goes to the
queue, where any drain takes it, or is cancelled.
"""

import asyncio
import time
import uuid
from collections.abc import Sequence
from dataclasses import dataclass
from datetime import timedelta
from typing import Any

from django.conf import settings
from django.db import transaction
from django.db.models.functions import Now

from processing import dispatch
from processing.drain import DrainLoop, DrainPlan
from processing.errors import TooManyQuestions
from processing.models import Drain, Run
from processing.rules.status import Coverage
from processing.selectors.domains import domains_named
from processing.selectors.runs import coverage_for
from processing.services.runs import pending_run_create, run_cancel, run_create
from processing.services.selection import Names

MAX_QUESTIONS = 500
PRIORITY = 10


@dataclass(frozen=True, slots=True)
class UltraResult:
    """What one call gave. `run` None: nothing was to be asked."""

    run: Run | None
    coverage: Coverage
    duration_ms: int


def ultra_fast_process(
    *,
    actor: str,
    batch_size: int = 10,
    domains: Sequence[str | int] | None = None,
    prompts: Names = None,
    models: Names = None,
    timeout_s: float = 60.0,
    on_timeout: str = "queue",
    skip_fresh_days: int | None = None,
) -> UltraResult:
    """Ask up to `batch_size` pending domains, or the named ones even when fresh, and wait for the answers.

    Returns after `timeout_s` at the latest, plus the time of writing; then `on_timeout` decides: `queue` leaves
    the open questions to the workers, `cancel` cancels them. Raises `Invalid`, `NoModels`, `NoPrompts`, and
    `TooManyQuestions` above 500 questions; then nothing was asked.
    """
    started = time.monotonic()
    drain = uuid.uuid4()
    with transaction.atomic():
        run = _run_of(
            actor,
            batch_size=batch_size,
            domains=domains,
            choice={"prompts": prompts, "models": models},
            skip_fresh_days=skip_fresh_days,
            drain=drain,
        )
        if run is not None and (run.n_questions or 0) > MAX_QUESTIONS:
            raise TooManyQuestions(
                f"{run.n_questions} questions are more than one request may wait for ({MAX_QUESTIONS}): "
                "choose fewer domains, prompts or models, or use process-pending-domains."
            )
    if run is None:
        return UltraResult(None, Coverage(0), _ms_since(started))
    asyncio.run(_ask_until(drain, deadline_s=timeout_s - (time.monotonic() - started)))
    _settle(run, on_timeout, actor)
    run.refresh_from_db()
    return UltraResult(run, coverage_for(run), _ms_since(started))


def _run_of(
    actor: str,
    *,
    batch_size: int,
    domains: Sequence[str | int] | None,
    choice: dict[str, Names],
    skip_fresh_days: int | None,
    drain: uuid.UUID,
) -> Run | None:
    common: dict[str, Any] = {
        "actor": actor, "kind": Run.Kind.ULTRA, "priority": PRIORITY, "drain_only": drain, **choice,
    }  # fmt: skip
    if domains is None:
        return pending_run_create(batch_size=batch_size, **common)
    chosen = domains_named(domains).filter(is_archived=False)
    if skip_fresh_days is not None:
        chosen = chosen.exclude(last_answered_at__gt=Now() - timedelta(days=skip_fresh_days))
        if not chosen.exists():
            return None
    return run_create(domains=chosen, **common)


async def _ask_until(drain: uuid.UUID, *, deadline_s: float) -> None:
    """Run the drain in this loop; at the deadline it stops at once and gives back what is in flight."""
    loop = DrainLoop(
        DrainPlan(id=drain, own_run_only=True, slice_s=float(settings.DRAIN_SLICE_S), grace_s=0.0)
    )
    timer = asyncio.get_running_loop().call_later(max(deadline_s, 0.0), loop.stop, Drain.End.STOPPED)
    try:
        await loop.run()
    finally:
        timer.cancel()


def _settle(run: Run, on_timeout: str, actor: str) -> None:
    """Hand what is open to the queue or cancel it; nothing to do when the run has ended."""
    if Run.objects.filter(pk=run.pk, finished_at__isnull=False).exists():
        return
    if on_timeout == "cancel":
        run_cancel(run, actor=actor)
    Run.objects.filter(pk=run.pk).update(drain_only=None)
    dispatch.drains_dispatch()


def _ms_since(started: float) -> int:
    return round((time.monotonic() - started) * 1000)
