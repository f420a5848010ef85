"""`/domains`: the list, one domain, its answers, and what clients may do with domains. Intake is in `intake`."""

from collections.abc import Sequence
from typing import Any, ClassVar

from django.db.models import QuerySet
from django.urls import reverse
from rest_framework.exceptions import ErrorDetail, ValidationError
from rest_framework.request import Request
from rest_framework.response import Response
from rest_framework.views import APIView

from processing.api.fields import read_parameters
from processing.api.filters import AnswerFilter, DomainFilter
from processing.api.inputs import ChosenDomains, RetryDomain
from processing.api.lists import ListView, includes_text
from processing.api.objects import answer_data, domain_detail_data, domains_data, run_data
from processing.models import Attempt, Domain
from processing.selectors.answers import answers_for_domain
from processing.selectors.domains import domain_for, domains_named, with_status
from processing.services.domains import domains_archive, domains_mark_due
from processing.services.retries import domain_retry
from providers.api.inputs import printable
from providers.api.objects import Data


class DomainsView(ListView):
    """`GET /domains`."""

    filterset_class = DomainFilter
    ordering_fields = frozenset(
        {"id", "name", "priority", "due_at", "last_answered_at", "created_at", "updated_at"}
    )

    def get_queryset(self) -> QuerySet[Domain]:
        return with_status(Domain.objects.prefetch_related("cohorts"))

    def data_for(self, rows: Sequence[Domain]) -> list[Data]:
        return domains_data(rows)


class DomainView(APIView):
    """`GET /domains/:id`."""

    required_scopes: ClassVar = {"GET": "read"}
    query_params: ClassVar = {"include"}

    def get(self, request: Request, reference: str) -> Response:
        with_text = includes_text(request)
        return Response(domain_detail_data(domain_for(reference), with_text=with_text))


class AnswersView(ListView):
    """`GET /domains/:id/answers`, newest first."""

    filterset_class = AnswerFilter
    query_params: ClassVar = {"include"}
    ordering = "-id"

    def get_queryset(self) -> QuerySet[Attempt]:
        return answers_for_domain(domain_for(self.kwargs["reference"]), with_text=includes_text(self.request))

    def data_for(self, rows: Sequence[Attempt]) -> list[Data]:
        with_text = includes_text(self.request)
        return [answer_data(attempt, with_text=with_text) for attempt in rows]


class RetryView(APIView):
    """`POST /domains/:id/retry`."""

    required_scopes: ClassVar = {"POST": "process"}

    def post(self, request: Request, reference: str) -> Response:
        parameters = read_parameters(request, RetryDomain)
        run = domain_retry(domain_for(reference), actor=request.user.get_username(), **parameters)
        headers = {"Location": reverse("run", args=[run.pk])}
        return Response({"run": run_data(run), "questions": run.n_questions}, status=202, headers=headers)


class MarkPendingView(APIView):
    """`POST /domains/mark-pending`: due now; archived domains and those in an open run stay as they are."""

    required_scopes: ClassVar = {"POST": "process"}

    def post(self, request: Request) -> Response:
        domains = chosen_domains(read_parameters(request, ChosenDomains))
        return Response({"updated": domains_mark_due(domains, actor=request.user.get_username())})


class ArchiveView(APIView):
    """`POST /domains/archive`: in no selection any more; the answers are kept."""

    required_scopes: ClassVar = {"POST": "process"}

    def post(self, request: Request) -> Response:
        domains = chosen_domains(read_parameters(request, ChosenDomains))
        return Response({"updated": domains_archive(domains, actor=request.user.get_username())})


def chosen_domains(parameters: dict[str, Any]) -> QuerySet[Domain]:
    """Return the domains that `domains` names or that `filter` finds, fit for one update.

    Raises `Invalid` for unknown domains, `ValidationError` for a filter that there is not.
    """
    if "domains" in parameters:
        return domains_named(parameters["domains"])
    given = parameters["filter"]
    unknown = {f"filter.{printable(name)}" for name in given if name not in DomainFilter.base_filters}
    if unknown:
        text = f"There is no such filter. Known: {', '.join(DomainFilter.base_filters)}."
        raise ValidationError({name: [ErrorDetail(text, code="unknown_field")] for name in unknown})
    found = DomainFilter(data=given, queryset=with_status(Domain.objects.all()))
    try:
        if not found.is_valid():
            raise ValidationError(found.errors)
        return Domain.objects.filter(pk__in=found.qs.values("pk"))
    except ValidationError as error:
        raise ValidationError({"filter": error.detail}) from error
