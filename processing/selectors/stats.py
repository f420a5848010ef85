"""The figures of `GET /stats` and the admin's home page: domains, queue and runs, all counted now."""

import math
from datetime import timedelta
from typing import Any

from django.db.models import Count, Min, QuerySet, Sum
from django.db.models.functions import Now
from redis.exceptions import RedisError

from processing import queue
from processing.dispatch import drains_alive, open_runs
from processing.models import Question, Run
from processing.rules.status import DomainStatus, RunStatus
from processing.selectors.domains import domains_by_status
from processing.selectors.runs import eta_s, lanes_for, with_status
from providers.clock import database_now
from providers.models import UsageBucket

PACE_MINUTES = 5


def stats() -> dict[str, Any]:
    """Return `{"domains", "queue", "runs", "timestamp"}` as API.md shows them; what is not known is None."""
    return {
        "domains": _domains(),
        "queue": queue_figures(),
        "runs": _runs(),
        "timestamp": database_now(),
    }


def queue_figures() -> dict[str, Any]:
    """Return what waits, what is in flight and who works; `workers` is None when Redis does not answer."""
    open_ids = list(open_runs().values_list("pk", flat=True))
    waiting = Question.objects.filter(run__in=open_ids, status=Question.Status.WAITING)
    drains = list(drains_alive())
    return {
        "waiting": waiting.count(),
        "in_flight": Question.objects.filter(status=Question.Status.IN_FLIGHT).count(),
        "waiting_for_limit": sum(
            1
            for drain in drains
            for lane in drain.lanes
            if lane["waiting_for"] in ("its rate limit", "calls in flight")
        ),
        "workers": _workers(),
        "drains": len(drains),
        "answers_per_minute": _answers_per_minute(),
        "oldest_waiting_s": _oldest_waiting_s(open_ids),
        "eta_s": _eta_s(open_ids),
        "paused": Run.objects.filter(finished_at__isnull=True, paused_at__isnull=False).count(),
    }


def _domains() -> dict[str, int]:
    counts = domains_by_status()
    named = {
        status.value: counts.get(status.value, 0)
        for status in DomainStatus
        if status is not DomainStatus.IDLE
    }
    return {"total": sum(counts.values()), **named}


def _runs() -> dict[str, int]:
    runs: QuerySet[Any] = with_status(Run.objects.all()).order_by()
    counts = dict(runs.values_list("status_name").annotate(n=Count("id")))
    return {status.value: counts.get(status.value, 0) for status in RunStatus}


def _workers() -> int | None:
    try:
        return queue.workers_alive()
    except RedisError:
        return None


def _answers_per_minute() -> float:
    """Answers of the last five minutes, by whole minutes, divided by five."""
    since = Now() - timedelta(minutes=PACE_MINUTES)
    answered = UsageBucket.objects.filter(bucket_at__gte=since, outcome__in=("answered", "truncated"))
    return round((answered.aggregate(n=Sum("n_calls"))["n"] or 0) / PACE_MINUTES, 2)


def _oldest_waiting_s(open_ids: list[int]) -> float | None:
    due = Question.objects.filter(run__in=open_ids, status=Question.Status.WAITING, due_at__lte=Now())
    oldest = due.aggregate(oldest=Min("due_at"))["oldest"]
    return round((database_now() - oldest).total_seconds(), 1) if oldest else None


def _eta_s(open_ids: list[int]) -> float | None:
    """The slowest open run's time left; None when one of them has no pace yet, 0 without open runs."""
    left = [eta_s(lanes_for(run)) for run in Run.objects.filter(pk__in=open_ids)]
    known = [seconds for seconds in left if seconds is not None]
    return None if len(known) < len(left) else float(math.ceil(max(known, default=0.0)))
