"""Runs: the list with its progress, the page of one run, and the verbs that steer it.

A run is a record: its page shows and steers, nothing on it can be typed in. How a run is started stands in
`run_start`, what a run page shows in `run_page`.
"""

from collections.abc import Callable
from typing import Any

from django.contrib import admin, messages
from django.core.exceptions import PermissionDenied
from django.db.models import QuerySet
from django.http import HttpRequest, HttpResponse, HttpResponseRedirect
from django.shortcuts import get_object_or_404
from django.template.response import TemplateResponse
from django.urls import URLPattern, path, reverse
from django.utils.html import format_html
from django.utils.safestring import SafeString
from django.views.decorators.http import require_POST

from processing.admin import show
from processing.admin.base import RecordAdmin, actor_name, errors_shown, run_link, service_action
from processing.admin.filters import StatusFilter
from processing.admin.run_page import page_context, rows_with_figures
from processing.admin.run_start import start_view
from processing.models import Run
from processing.rules.status import RunStatus
from processing.selectors import runs as run_selectors
from processing.services import runs as run_services


class RunStatusFilter(StatusFilter):
    """Filters by the derived status, in SQL."""

    statuses = RunStatus

    @staticmethod
    def annotated(queryset: QuerySet[Any]) -> QuerySet[Any]:
        return run_selectors.with_status(queryset)


def _paused(run: Run, actor: str) -> str:
    run_services.run_pause(run, actor=actor, reason=f"paused by {actor}")
    return "is paused: no new question is asked, calls in flight are stored"


def _resumed(run: Run, actor: str) -> str:
    run_services.run_resume(run, actor=actor)
    return "goes on"


def _cancelled(run: Run, actor: str) -> str:
    run_services.run_cancel(run, actor=actor)
    return "is cancelled: calls in flight are stored, its domains are pending again"


def _failed_reopened(run: Run, actor: str) -> str:
    n = run_services.run_retry_failed(run, actor=actor)
    return f"asks {show.plural(n, 'failed question')} again"


VERBS: dict[str, Callable[[Run, str], str]] = {
    "pause": _paused, "resume": _resumed, "cancel": _cancelled, "retry": _failed_reopened,
}  # fmt: skip


@admin.register(Run)
class RunAdmin(RecordAdmin[Run]):
    """The list of runs and the page of each."""

    list_display = ("run_name", "status", "progress", "cost", "priority", "starter", "created")
    list_filter = (RunStatusFilter, "kind", "priority", ("created_at", admin.DateFieldListFilter))
    search_fields = ("created_by",)
    search_help_text = "Who started it"
    ordering = ("-id",)
    actions = ("pause_runs", "resume_runs", "cancel_runs", "retry_failed")
    change_list_template = "admin/processing/run/change_list.html"
    change_form_template = "admin/processing/run/change_form.html"

    def rows_prepare(self, request: HttpRequest, rows: list[Run]) -> None:
        rows_with_figures(rows)

    @admin.display(description="run", ordering="id")
    def run_name(self, run: Run) -> str:
        return str(run)

    @admin.display(description="status")
    def status(self, run: Run) -> SafeString:
        return show.badge(run.shown.status)  # type: ignore[attr-defined]

    @admin.display(description="coverage")
    def progress(self, run: Run) -> SafeString:
        return show.coverage_bar(run.shown.coverage)  # type: ignore[attr-defined]

    @admin.display(description="cost")
    def cost(self, run: Run) -> str:
        return run.shown.cost  # type: ignore[attr-defined, no-any-return]

    @admin.display(description="started by", ordering="created_by")
    def starter(self, run: Run) -> SafeString:
        return format_html('{} <span class="quiet">{}</span>', run.created_by, run.get_kind_display())

    @admin.display(description="created", ordering="created_at")
    def created(self, run: Run) -> SafeString:
        return show.ago(run.created_at)

    @service_action(permission="start", description="Pause")
    def pause_runs(self, request: HttpRequest, queryset: QuerySet[Run]) -> None:
        self._each(request, queryset, "pause")

    @service_action(permission="start", description="Resume")
    def resume_runs(self, request: HttpRequest, queryset: QuerySet[Run]) -> None:
        self._each(request, queryset, "resume")

    @service_action(permission="start", description="Retry failed")
    def retry_failed(self, request: HttpRequest, queryset: QuerySet[Run]) -> None:
        self._each(request, queryset, "retry")

    @service_action(permission="start", description="Cancel run…")
    def cancel_runs(self, request: HttpRequest, queryset: QuerySet[Run]) -> HttpResponse | None:
        if request.POST.get("confirmed"):
            self._each(request, queryset, "cancel")
            return None
        return self._confirm_cancel(request, list(queryset), is_list=True)

    def _each(self, request: HttpRequest, queryset: QuerySet[Run], verb: str) -> None:
        for run in queryset.order_by("id"):
            with errors_shown(request, about=run):
                messages.success(
                    request, format_html("{} {}.", run_link(run), VERBS[verb](run, actor_name(request)))
                )

    def _confirm_cancel(self, request: HttpRequest, runs: list[Run], *, is_list: bool) -> HttpResponse:
        rows_with_figures(runs)
        context = {
            **self.admin_site.each_context(request), "opts": self.opts, "runs": runs, "is_list": is_list,
            "title": f"Cancel {runs[0]}?" if len(runs) == 1 else f"Cancel {len(runs)} runs?",
        }  # fmt: skip
        return TemplateResponse(request, "admin/processing/run/cancel.html", context)

    # --- pages of our own -------------------------------------------------------------------

    def get_urls(self) -> list[URLPattern]:
        """Add the start page and one address per verb."""
        wrap = self.admin_site.admin_view
        return [
            path("start/", wrap(self.start_view), name="processing_run_start"),
            path("<int:run_id>/cancel/", wrap(self.cancel_view), name="processing_run_cancel"),
            path(
                "<int:run_id>/<slug:verb>/do/", wrap(require_POST(self.verb_view)), name="processing_run_verb"
            ),
            *super().get_urls(),
        ]

    def start_view(self, request: HttpRequest) -> HttpResponse:
        """Show and take the form that starts a run."""
        if not self.has_start_permission(request):
            raise PermissionDenied
        return start_view(request, context={**self.admin_site.each_context(request), "opts": self.opts})

    def cancel_view(self, request: HttpRequest, run_id: int) -> HttpResponse:
        """Ask before a run is cancelled."""
        if not self.has_start_permission(request):
            raise PermissionDenied
        return self._confirm_cancel(request, [get_object_or_404(Run, pk=run_id)], is_list=False)

    def verb_view(self, request: HttpRequest, run_id: int, verb: str) -> HttpResponse:
        """Do one verb to one run and go back to its page."""
        if not self.has_start_permission(request) or verb not in VERBS:
            raise PermissionDenied
        self._each(request, Run.objects.filter(pk=get_object_or_404(Run, pk=run_id).pk), verb)
        return HttpResponseRedirect(reverse("admin:processing_run_change", args=[run_id]))

    def changelist_view(
        self, request: HttpRequest, extra_context: dict[str, Any] | None = None
    ) -> HttpResponse:
        extra = {"may_start": self.has_start_permission(request), **(extra_context or {})}
        return super().changelist_view(request, extra)

    def change_view(
        self,
        request: HttpRequest,
        object_id: str,
        form_url: str = "",
        extra_context: dict[str, Any] | None = None,
    ) -> HttpResponse:
        run = self.get_object(request, object_id)
        extra = {**(extra_context or {}), "may_start": self.has_start_permission(request)}
        if run is not None and self.has_view_permission(request, run):
            extra |= page_context(run)
        return super().change_view(request, object_id, form_url, extra)
