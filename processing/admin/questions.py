"""Questions and the attempts at them: read only, and never counted in full, for they are millions."""

from typing import Any

from django.contrib import admin
from django.db.models import QuerySet
from django.http import HttpRequest, HttpResponse
from django.utils.safestring import SafeString

from processing.admin import show
from processing.admin.base import BoundedPaginator, RecordAdmin
from processing.admin.filters import (
    DomainFilter,
    ModelFilter,
    OutcomeFilter,
    QuestionFilter,
    ReasonFilter,
    RunFilter,
)
from processing.models import Attempt, Question

ATTEMPTS_SHOWN = 50


@admin.register(Question)
class QuestionAdmin(RecordAdmin[Question]):
    """Cells of runs: what waits, what failed and why."""

    list_display = ("question", "domain_name", "prompt", "model", "shown_status", "why", "finished", "run")
    list_filter = (RunFilter, DomainFilter, "status", ReasonFilter, ModelFilter)
    list_select_related = ("domain", "prompt_version__prompt", "model__provider", "run")
    ordering = ("-id",)
    sortable_by = ()  # only the newest first has an index that serves every filter
    paginator = BoundedPaginator
    change_form_template = "admin/processing/question/change_form.html"

    @admin.display(description="question")
    def question(self, question: Question) -> str:
        return str(question.pk)

    @admin.display(description="domain")
    def domain_name(self, question: Question) -> SafeString:
        return show.link("processing_domain_change", question.domain, pk=question.domain_id)

    @admin.display(description="prompt")
    def prompt(self, question: Question) -> str:
        return f"{question.prompt_version.prompt} v{question.prompt_version.number}"

    @admin.display(description="status")
    def shown_status(self, question: Question) -> SafeString:
        return show.choice_badge(question.status, Question.Status)

    @admin.display(description="reason")
    def why(self, question: Question) -> str:
        return question.reason.replace("_", " ") or show.DASH

    @admin.display(description="ended")
    def finished(self, question: Question) -> SafeString:
        return show.ago(question.finished_at)

    def get_queryset(self, request: HttpRequest) -> QuerySet[Question]:
        return super().get_queryset(request).select_related(*self.list_select_related)

    def change_view(
        self,
        request: HttpRequest,
        object_id: str,
        form_url: str = "",
        extra_context: dict[str, Any] | None = None,
    ) -> HttpResponse:
        extra = dict(extra_context or {})
        question = self.get_object(request, object_id)
        if question is not None and self.has_view_permission(request, question):
            attempts = list(question.attempts.order_by("-id")[: ATTEMPTS_SHOWN + 1])
            extra |= {
                "question": question, "title": f"Question {question.pk}", "subtitle": None,
                "attempts": attempts[:ATTEMPTS_SHOWN], "has_more_attempts": len(attempts) > ATTEMPTS_SHOWN,
            }  # fmt: skip
        return super().change_view(request, object_id, form_url, extra)


@admin.register(Attempt)
class AttemptAdmin(RecordAdmin[Attempt]):
    """Every call, good or bad."""

    list_display = (
        "attempt",
        "domain_name",
        "model_name",
        "shown_outcome",
        "http_status",
        "tokens",
        "cost",
        "latency",
        "made",
    )
    list_filter = (OutcomeFilter, QuestionFilter)
    list_select_related = ("question__domain", "question__model__provider")
    ordering = ("-id",)
    sortable_by = ()
    paginator = BoundedPaginator
    change_form_template = "admin/processing/attempt/change_form.html"

    def get_queryset(self, request: HttpRequest) -> QuerySet[Attempt]:
        found = (
            super()
            .get_queryset(request)
            .select_related(*self.list_select_related, "question__prompt_version__prompt", "question__run")
        )
        is_one = request.resolver_match is not None and "object_id" in request.resolver_match.kwargs
        return found if is_one else found.defer("text", "citations")

    @admin.display(description="attempt")
    def attempt(self, attempt: Attempt) -> str:
        return str(attempt.pk)

    @admin.display(description="domain")
    def domain_name(self, attempt: Attempt) -> str:
        return str(attempt.question.domain)

    @admin.display(description="model")
    def model_name(self, attempt: Attempt) -> str:
        return str(attempt.question.model)

    @admin.display(description="outcome")
    def shown_outcome(self, attempt: Attempt) -> SafeString:
        return show.outcome_badge(attempt.outcome)

    @admin.display(description="tokens in / out")
    def tokens(self, attempt: Attempt) -> str:
        return f"{show.count(attempt.input_tokens)} / {show.count(attempt.output_tokens)}"

    @admin.display(description="cost")
    def cost(self, attempt: Attempt) -> str:
        return show.usd(attempt.cost_usd)

    @admin.display(description="took")
    def latency(self, attempt: Attempt) -> str:
        return show.DASH if attempt.latency_ms is None else f"{attempt.latency_ms:,} ms"

    @admin.display(description="made")
    def made(self, attempt: Attempt) -> SafeString:
        return show.ago(attempt.created_at)

    def change_view(
        self,
        request: HttpRequest,
        object_id: str,
        form_url: str = "",
        extra_context: dict[str, Any] | None = None,
    ) -> HttpResponse:
        extra = dict(extra_context or {})
        attempt = self.get_object(request, object_id)
        if attempt is not None and self.has_view_permission(request, attempt):
            extra |= {
                "attempt": attempt,
                "question": attempt.question,
                "title": f"Attempt {attempt.pk}",
                "subtitle": None,
            }
        return super().change_view(request, object_id, form_url, extra)
