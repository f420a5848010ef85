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
from processing.selectors.runs import RATE_LIMIT, with_status
from providers.clock import database_now
from providers.models import LanguageModel, UsageBucket
from providers.paces import requests_per_minute_for

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
            if lane["waiting_for"] in (RATE_LIMIT, "calls in flight")
        ),
        "workers": _workers(),
        "drains": len(drains),
        "answers_per_minute": round(sum(_answers_per_minute_by_model().values()), 2),
        "oldest_waiting_s": _oldest_waiting_s(open_ids),
        "eta_s": _eta_s(waiting),
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


def _answers_per_minute_by_model() -> dict[int, float]:
    """Return model id → answers of the last five minutes, divided by five."""
    since = Now() - timedelta(minutes=PACE_MINUTES)
    answered = UsageBucket.objects.filter(bucket_at__gte=since, outcome__in=("answered", "truncated"))
    sums = answered.order_by().values_list("model_id").annotate(n=Sum("n_calls"))
    return {model_id: n / PACE_MINUTES for model_id, n in sums}


def _models_at_their_limit() -> list[LanguageModel]:
    waiting = {
        lane["model"]
        for lanes in drains_alive().values_list("lanes", flat=True)
        for lane in lanes
        if lane["waiting_for"] == RATE_LIMIT
    }
    return list(LanguageModel.objects.filter(pk__in=waiting)) if waiting else []


def _oldest_waiting_s(open_ids: list[int]) -> float | None:
    due = Question.objects.filter(run__in=open_ids, status=Question.Status.WAITING, due_at__lte=Now())
    oldest = due.aggregate(oldest=Min("due_at"))["oldest"]
    return round((database_now() - oldest).total_seconds(), 1) if oldest else None


def _eta_s(waiting: QuerySet[Question]) -> float | None:
    """Return the time left of the slowest model; None when one has no pace yet, 0 with nothing waiting.

    A model goes on at its own pace, or at that of its limits where it waits for them and that is slower.
    """
    pace = _answers_per_minute_by_model()
    for model_id, allowed in requests_per_minute_for(_models_at_their_limit()).items():
        if pace.get(model_id):
            pace[model_id] = min(pace[model_id], allowed)
    left_s = [0.0]
    for model_id, n in waiting.order_by().values_list("model_id").annotate(n=Count("id")):
        if not pace.get(model_id):
            return None
        left_s.append(n / pace[model_id] * 60)
    return float(math.ceil(max(left_s)))
