"""`/runs`: the list, one run with its progress, its questions, and how to start, hold, end and repeat one."""

from collections.abc import Sequence
from typing import ClassVar

from django.db.models import QuerySet
from django.urls import reverse
from rest_framework.request import Request
from rest_framework.response import Response
from rest_framework.views import APIView

from processing.api.domains import chosen_domains
from processing.api.fields import read_parameters
from processing.api.filters import QuestionFilter, RunFilter
from processing.api.inputs import CreateRun, PauseRun
from processing.api.lists import ListView
from processing.api.objects import question_data, run_data, runs_data
from processing.errors import NotFound
from processing.models import Question, Run
from processing.selectors.answers import questions_with_names
from processing.selectors.runs import with_status
from processing.services import runs as run_services
from providers.api.inputs import Nothing
from providers.api.objects import Data


class RunsView(ListView):
    """`GET /runs`, newest first, and `POST /runs`: any selection of domains × prompts × models."""

    required_scopes: ClassVar = {"GET": "read", "POST": "process"}
    filterset_class = RunFilter
    serializer_class = CreateRun
    ordering = "-id"
    ordering_fields = frozenset({"id", "priority", "created_at"})

    def get_queryset(self) -> QuerySet[Run]:
        return with_status(Run.objects.all())

    def data_for(self, rows: Sequence[Run]) -> list[Data]:
        return runs_data(rows)

    def post(self, request: Request) -> Response:
        parameters = read_parameters(request, CreateRun)
        domains = chosen_domains(parameters)
        choice = {name: value for name, value in parameters.items() if name not in ("domains", "filter")}
        run = run_services.run_create(
            actor=request.user.get_username(), kind=Run.Kind.API, domains=domains, **choice
        )
        headers = {"Location": reverse("run", args=[run.pk])}
        return Response({"run": run_data(run), "questions": run.n_questions}, status=202, headers=headers)


class RunView(APIView):
    """`GET /runs/:id`."""

    required_scopes: ClassVar = {"GET": "read"}

    def get(self, request: Request, pk: int) -> Response:
        return Response(run_data(run_for(pk)))


class QuestionsView(ListView):
    """`GET /runs/:id/questions`."""

    filterset_class = QuestionFilter

    def get_queryset(self) -> QuerySet[Question]:
        return questions_with_names().filter(run=run_for(self.kwargs["pk"]))

    def data_for(self, rows: Sequence[Question]) -> list[Data]:
        return [question_data(question) for question in rows]


class PauseView(APIView):
    """`POST /runs/:id/pause`."""

    required_scopes: ClassVar = {"POST": "process"}

    def post(self, request: Request, pk: int) -> Response:
        parameters = read_parameters(request, PauseRun)
        run_services.run_pause(run_for(pk), actor=request.user.get_username(), **parameters)
        return Response(run_data(run_for(pk)))


class ResumeView(APIView):
    """`POST /runs/:id/resume`."""

    required_scopes: ClassVar = {"POST": "process"}

    def post(self, request: Request, pk: int) -> Response:
        read_parameters(request, Nothing)
        run_services.run_resume(run_for(pk), actor=request.user.get_username())
        return Response(run_data(run_for(pk)))


class CancelView(APIView):
    """`POST /runs/:id/cancel`: calls in flight finish and are stored."""

    required_scopes: ClassVar = {"POST": "process"}

    def post(self, request: Request, pk: int) -> Response:
        read_parameters(request, Nothing)
        run_services.run_cancel(run_for(pk), actor=request.user.get_username())
        return Response(run_data(run_for(pk)))


class RetryFailedView(APIView):
    """`POST /runs/:id/retry-failed`: the failed questions of the same run are open again."""

    required_scopes: ClassVar = {"POST": "process"}

    def post(self, request: Request, pk: int) -> Response:
        read_parameters(request, Nothing)
        n = run_services.run_retry_failed(run_for(pk), actor=request.user.get_username())
        headers = {"Location": reverse("run", args=[pk])}
        return Response({"run": run_data(run_for(pk)), "questions": n}, status=202, headers=headers)


def run_for(pk: int) -> Run:
    """Return a run. Raises `NotFound`."""
    run: Run | None = Run.objects.filter(pk=pk).first()
    if run is None:
        raise NotFound(f"No run has the id {pk}.")
    return run
