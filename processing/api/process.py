"""`POST /process-pending-domains` and `POST /ultra-fast-process`: asking by the queue, or in this very request."""

from typing import Any, ClassVar

from django.conf import settings
from django.urls import reverse
from rest_framework.request import Request
from rest_framework.response import Response
from rest_framework.views import APIView

from processing.api.fields import query_names, read_parameters
from processing.api.inputs import ProcessPending, default_batch_size
from processing.api.objects import run_data
from processing.models import Run
from processing.selectors.domains import cohorts_check, domains_in, next_due_at_for
from processing.selectors.stats import queue_figures
from processing.services.runs import pending_run_create


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
