"""`POST /process-pending-domains` and `POST /ultra-fast-process`: asking by the queue, or in this very request."""

from collections import Counter, defaultdict
from typing import Any, ClassVar

from django.conf import settings
from django.urls import reverse
from rest_framework.request import Request
from rest_framework.response import Response
from rest_framework.views import APIView

from processing.api.fields import query_names, read_parameters
from processing.api.inputs import ProcessPending, UltraFast, default_batch_size
from processing.api.objects import answer_data, run_data
from processing.models import Domain, Question, Run
from processing.selectors.answers import answers_for_run
from processing.selectors.domains import (
    cohorts_check,
    domains_in,
    domains_named,
    next_due_at_for,
    with_status,
)
from processing.selectors.stats import queue_figures
from processing.services.runs import pending_run_create
from processing.ultra import ultra_fast_process
from providers.api.objects import Data


class ProcessPendingView(APIView):
    """Takes pending domains into a run of their own; two callers never get the same domain."""

    required_scopes: ClassVar = {"POST": "process"}
    query_params: ClassVar = query_names(ProcessPending)

    def post(self, request: Request) -> Response:
        parameters = {"batch_size": default_batch_size()} | read_parameters(request, ProcessPending)
        ignored = _take_ignored(parameters)
        cohorts_check(parameters.get("cohorts"))
        run = pending_run_create(actor=request.user.get_username(), **parameters)
        if run is None:
            next_due_at = next_due_at_for(domains_in(parameters.get("cohorts")))
            return Response({"run": None, "domains_queued": 0, "next_due_at": next_due_at, **ignored})
        body = {
            "run": run_data(run),
            "domains_queued": _n_domains(run),
            "questions": run.n_questions,
            "queue": queue_figures(),
            **ignored,
        }
        return Response(body, status=202, headers={"Location": reverse("run", args=[run.pk])})


class UltraFastView(APIView):
    """Asks within this request, and answers with the texts; what is open at the end goes on as the caller says."""

    required_scopes: ClassVar = {"POST": "process"}
    query_params: ClassVar = query_names(UltraFast)

    def post(self, request: Request) -> Response:
        parameters = read_parameters(request, UltraFast)
        ignored = _take_ignored(parameters)
        if "domains" in parameters:
            parameters["domains"] = list(domains_named(parameters["domains"]).values_list("pk", flat=True))
        result = ultra_fast_process(actor=request.user.get_username(), **parameters)
        domains, counts = ([], Counter()) if result.run is None else _domains_of(result.run)
        body = {
            "run": None if result.run is None else run_data(result.run),
            "processed": counts["processed"],
            "failed": counts["failed"],
            "unfinished": counts["unfinished"],
            "duration_ms": result.duration_ms,
            "domains": domains,
            **ignored,
        }
        return Response(body)


def _domains_of(run: Run) -> tuple[list[Data], Counter[str]]:
    """Return the domains of a run with its answers, and how many were processed, failed or are unfinished.

    A domain is processed once nothing of it is open and something was answered.
    """
    statuses: defaultdict[int, set[str]] = defaultdict(set)
    for domain_id, status in Question.objects.filter(run=run).values_list("domain_id", "status"):
        statuses[domain_id].add(status)
    answers: defaultdict[int, list[Data]] = defaultdict(list)
    for attempt in answers_for_run(run, with_text=True):
        answers[attempt.question.domain_id].append(answer_data(attempt, with_text=True))
    rows = [
        {"id": domain.pk, "name": domain.name, "status": domain.status_name, "answers": answers[domain.pk]}  # type: ignore[attr-defined]
        for domain in with_status(Domain.objects.filter(pk__in=statuses)).order_by("pk")
    ]
    return rows, Counter(_how_it_went(found) for found in statuses.values())


def _how_it_went(statuses: set[str]) -> str:
    if statuses & {*Question.OPEN, Question.Status.CANCELLED}:
        return "unfinished"
    return "processed" if Question.Status.ANSWERED in statuses else "failed"


def _take_ignored(parameters: dict[str, Any]) -> dict[str, Any]:
    """Take out what old clients send and nothing listens to any more, and say so in the answer."""
    if parameters.pop("retry_count", None) is None:
        return {}
    text = (
        f"Every question is tried up to {settings.RETRY_LIMIT} times: the setting RETRY_LIMIT of the service."
    )
    return {"ignored": {"retry_count": text}}


def _n_domains(run: Run) -> int:
    """Return how many domains a fresh run has: its questions are all pairs of them with its prompts and models."""
    n_cells = run.prompt_versions.count() * run.language_models.count()
    return (run.n_questions or 0) // n_cells
