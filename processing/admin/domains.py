"""Domains and cohorts: the list with its derived status, the page of one domain, and what staff may do with them.

Only what staff decide can be edited, and only those columns are written: the claim, the due date and the cells
belong to the engine. Domains come in by the import page, so that every name passes the same reading.
"""

from typing import Any

from django import forms
from django.contrib import admin, messages
from django.contrib.admin.widgets import AdminTextInputWidget
from django.core.exceptions import PermissionDenied
from django.db.models import Count, QuerySet
from django.http import HttpRequest, HttpResponse, HttpResponseRedirect
from django.shortcuts import get_object_or_404
from django.urls import URLPattern, path, reverse
from django.utils.html import format_html
from django.utils.safestring import SafeString
from django.views.decorators.http import require_POST

from processing.admin import domain_actions, show
from processing.admin.base import ProcessingAdmin, errors_shown, service_action, titled
from processing.admin.domain_import import import_view
from processing.admin.domain_page import page_context
from processing.admin.filters import CohortFilter, StatusFilter
from processing.models import Cohort, Domain
from processing.rules.status import DomainStatus
from processing.selectors import domains as domain_selectors

ARCHIVED = ("is_archived", titled("archived", admin.BooleanFieldListFilter))
LOOK_ALIKE = ("is_look_alike", titled("look-alike", admin.BooleanFieldListFilter))


class DomainStatusFilter(StatusFilter):
    """Filters by the derived status, in SQL."""

    statuses = DomainStatus

    @staticmethod
    def annotated(queryset: QuerySet[Any]) -> QuerySet[Any]:
        return queryset  # DomainAdmin's own queryset has `status_name`


class AliasesField(forms.CharField):
    """Aliases as people write them: separated by commas."""

    def prepare_value(self, value: Any) -> Any:
        return ", ".join(value) if isinstance(value, list) else value

    def to_python(self, value: Any) -> Any:
        text = super().to_python(value) or ""
        return list(dict.fromkeys(alias.strip() for alias in text.split(",") if alias.strip()))

    def has_changed(self, initial: Any, data: Any) -> bool:
        return bool(self.to_python(data) != (initial or []))


class DomainForm(forms.ModelForm):
    """What staff may decide about a domain."""

    aliases = AliasesField(
        required=False,
        help_text="Other names of the brand, separated by commas.",
        widget=AdminTextInputWidget,
    )

    class Meta:
        model = Domain
        fields = ("display_name", "aliases", "category", "cohorts", "priority", "refresh_after_days")
        widgets = {"cohorts": forms.CheckboxSelectMultiple}


@admin.register(Domain)
class DomainAdmin(ProcessingAdmin[Domain]):
    """The list of domains and the page of each."""

    form = DomainForm
    fields = ("display_name", "aliases", "category", "cohorts", "priority", "refresh_after_days")
    list_display = ("domain", "status", "coverage", "cohort_names", "priority", "due", "last_answered")
    list_filter = (DomainStatusFilter, CohortFilter, "priority", ARCHIVED, LOOK_ALIKE)
    search_fields = ("name", "unicode_name", "display_name")
    search_help_text = "Name or brand"
    ordering = ("-id",)
    actions = ("process_now", "retry_failed", "mark_due", "archive", "unarchive")
    change_list_template = "admin/processing/domain/change_list.html"
    change_form_template = "admin/processing/domain/change_form.html"

    # --- the list -------------------------------------------------------------------------------

    def get_queryset(self, request: HttpRequest) -> QuerySet[Domain]:
        return domain_selectors.with_status(super().get_queryset(request)).prefetch_related("cohorts")

    @admin.display(description="domain", ordering="name")
    def domain(self, domain: Domain) -> SafeString:
        brand = (
            format_html(' <span class="quiet">{}</span>', domain.display_name) if domain.display_name else ""
        )
        warning = format_html(" {}", show.badge("paused", "look-alike")) if domain.is_look_alike else ""
        return format_html("{}{}{}", domain.unicode_name or domain.name, brand, warning)

    @admin.display(description="status")
    def status(self, domain: Domain) -> SafeString:
        return show.badge(domain.status_name)  # type: ignore[attr-defined]

    @admin.display(description="answered")
    def coverage(self, domain: Domain) -> SafeString:
        return show.cells_bar(domain.n_answered_cells, domain.n_cells)

    @admin.display(description="cohorts")
    def cohort_names(self, domain: Domain) -> str:
        return ", ".join(str(cohort) for cohort in domain.cohorts.all()) or show.DASH

    @admin.display(description="due", ordering="due_at")
    def due(self, domain: Domain) -> SafeString:
        return show.ago(domain.due_at)

    @admin.display(description="last answer", ordering="last_answered_at")
    def last_answered(self, domain: Domain) -> SafeString:
        return show.ago(domain.last_answered_at)

    # --- what can be done ------------------------------------------------------------------------

    def has_edit_permission(self, request: HttpRequest) -> bool:
        """Serve actions that ask for the permission `edit`."""
        return request.user.has_perm("processing.change_domain")

    def has_delete_permission(self, request: HttpRequest, obj: Domain | None = None) -> bool:
        """Only a domain that was never asked may go; the list has no bulk deletion at all."""
        if obj is None or obj.questions.exists():
            return False
        return super().has_delete_permission(request, obj)

    @service_action(permission="start", description="Process now")
    def process_now(self, request: HttpRequest, queryset: QuerySet[Domain]) -> None:
        domain_actions.process_now(request, queryset)

    @service_action(permission="start", description="Retry failed")
    def retry_failed(self, request: HttpRequest, queryset: QuerySet[Domain]) -> None:
        domain_actions.retry_failed(request, queryset)

    @service_action(permission="edit", description="Mark due")
    def mark_due(self, request: HttpRequest, queryset: QuerySet[Domain]) -> None:
        domain_actions.mark_due(request, queryset)

    @service_action(permission="edit", description="Archive")
    def archive(self, request: HttpRequest, queryset: QuerySet[Domain]) -> None:
        domain_actions.archive(request, queryset)

    @service_action(permission="edit", description="Unarchive")
    def unarchive(self, request: HttpRequest, queryset: QuerySet[Domain]) -> None:
        domain_actions.unarchive(request, queryset)

    # --- pages of our own -------------------------------------------------------------------------

    def get_urls(self) -> list[URLPattern]:
        """Add the import page and the buttons of a domain's page."""
        wrap = self.admin_site.admin_view
        return [
            path("import/", wrap(self.import_view), name="processing_domain_import"),
            path(
                "<int:domain_id>/<slug:verb>/do/",
                wrap(require_POST(self.verb_view)),
                name="processing_domain_verb",
            ),
            *super().get_urls(),
        ]

    def import_view(self, request: HttpRequest) -> HttpResponse:
        """Show the import page."""
        if not self.has_add_permission(request):
            raise PermissionDenied
        return import_view(request, context={**self.admin_site.each_context(request), "opts": self.opts})

    def add_view(
        self, request: HttpRequest, form_url: str = "", extra_context: dict[str, Any] | None = None
    ) -> HttpResponse:
        """Domains are added by the import page, also a single one."""
        return HttpResponseRedirect(reverse("admin:processing_domain_import"))

    def verb_view(self, request: HttpRequest, domain_id: int, verb: str) -> HttpResponse:
        """Do to one domain what the list's action of this name does."""
        needed = domain_actions.PERMISSIONS.get(verb)
        if needed is None or not getattr(self, f"has_{needed}_permission")(request):
            raise PermissionDenied
        domain = get_object_or_404(Domain, pk=domain_id)
        with errors_shown(request):
            getattr(domain_actions, verb)(request, Domain.objects.filter(pk=domain.pk))
        return HttpResponseRedirect(reverse("admin:processing_domain_change", args=[domain.pk]))

    def changelist_view(
        self, request: HttpRequest, extra_context: dict[str, Any] | None = None
    ) -> HttpResponse:
        extra = {
            "may_start": self.has_start_permission(request),
            "may_import": self.has_add_permission(request), **(extra_context or {}),
        }  # fmt: skip
        return super().changelist_view(request, extra)

    def change_view(
        self,
        request: HttpRequest,
        object_id: str,
        form_url: str = "",
        extra_context: dict[str, Any] | None = None,
    ) -> HttpResponse:
        extra = dict(extra_context or {})
        domain = self.get_object(request, object_id)
        if domain is not None and self.has_view_permission(request, domain):
            extra |= page_context(domain) | {
                "may_start": self.has_start_permission(request), "may_edit": self.has_edit_permission(request),
                "show_save_and_add_another": False,
            }  # fmt: skip
        return super().change_view(request, object_id, form_url, extra)

    def save_model(self, request: HttpRequest, obj: Domain, form: Any, change: bool) -> None:
        """Write only the columns that were changed here, so that the engine's own are never put back."""
        columns = [name for name in form.changed_data if name != "cohorts"]
        if columns:
            obj.save(update_fields=[*columns, "updated_at"])


@admin.register(Cohort)
class CohortAdmin(ProcessingAdmin[Cohort]):
    """Named sets of domains."""

    list_display = ("label_or_name", "name", "n_domains", "refresh_after_days", "created")
    search_fields = ("name", "label")
    readonly_fields = ("n_domains",)

    def get_queryset(self, request: HttpRequest) -> QuerySet[Cohort]:
        return super().get_queryset(request).annotate(n=Count("domains"))

    def get_prepopulated_fields(self, request: HttpRequest, obj: Cohort | None = None) -> dict[str, Any]:
        return {} if obj else {"name": ("label",)}

    def get_readonly_fields(self, request: HttpRequest, obj: Cohort | None = None) -> tuple[str, ...]:
        return ("name", "n_domains") if obj else ()

    def get_fields(self, request: HttpRequest, obj: Cohort | None = None) -> tuple[str, ...]:
        fields = ("label", "name", "refresh_after_days")
        return (*fields, "n_domains") if obj else fields

    @admin.display(description="cohort", ordering="name")
    def label_or_name(self, cohort: Cohort) -> str:
        return str(cohort)

    @admin.display(description="domains", ordering="n")
    def n_domains(self, cohort: Cohort) -> SafeString:
        words = show.count(cohort.n)  # type: ignore[attr-defined]
        return show.link("processing_domain_changelist", words, query=f"?cohort={cohort.name}")

    @admin.display(description="created", ordering="created_at")
    def created(self, cohort: Cohort) -> SafeString:
        return show.ago(cohort.created_at)

    def delete_view(
        self, request: HttpRequest, object_id: str, extra_context: dict[str, Any] | None = None
    ) -> HttpResponse:
        messages.info(request, "Its domains and their answers stay; they only leave this cohort.")
        return super().delete_view(request, object_id, extra_context)
