"""What the admin pages of this app share: paging without full counts, records nobody types in, how things look."""

from datetime import datetime
from functools import cached_property
from typing import TYPE_CHECKING, Any, TypeVar

from django.contrib import admin, messages
from django.contrib.admin.views.main import ChangeList
from django.core.paginator import Paginator
from django.db.models import Model, QuerySet
from django.http import HttpRequest
from django.urls import reverse
from django.utils import timezone
from django.utils.html import format_html
from django.utils.safestring import SafeString
from django.utils.timesince import timesince

from providers.errors import ApplicationError

DASH = "–"
_M = TypeVar("_M", bound=Model)
_TONES = {
    "good": ("active", "answered", "answers now"),
    "busy": ("probing",),
    "warn": ("cooling", "exhausted", "paused", "never worked yet", "no usable key", "no model to ask"),
    "bad": ("invalid", "unreadable"),
    "off": ("disabled", "retired", "sunset", "off", "not supported yet"),
}
_TONE_OF = {state: tone for tone, states in _TONES.items() for state in states}

if TYPE_CHECKING:

    class TypedModelAdmin(admin.ModelAdmin[_M]):
        """The stubs know the model of an admin, Django itself does not."""
else:

    class TypedModelAdmin(admin.ModelAdmin):
        """Accepts the model as a type parameter, which Django's class does not."""

        def __class_getitem__(cls, _model: type[Model]) -> type:
            return cls


class BoundedPaginator(Paginator):
    """Counts at most `COUNT_AT_MOST` rows: a page of a table of millions costs the same as one of a small table."""

    COUNT_AT_MOST = 5_000

    @cached_property
    def count(self) -> int:
        rows = self.object_list
        return rows.order_by()[: self.COUNT_AT_MOST].count() if isinstance(rows, QuerySet) else len(rows)


class ProvidersAdmin(TypedModelAdmin[_M]):
    """Common defaults of this app's pages."""

    show_full_result_count = False
    list_per_page = 50
    list_max_show_all = 0
    empty_value_display = DASH

    def rows_prepare(self, rows: list[_M]) -> None:
        """Attach to the rows of a list page what its columns show, in a fixed number of queries."""

    def get_changelist_instance(self, request: HttpRequest) -> ChangeList:
        """Build the list page and prepare exactly the rows that it shows."""
        changelist = super().get_changelist_instance(request)
        rows = list(changelist.result_list)
        self.rows_prepare(rows)
        changelist.result_list = rows
        return changelist


class RecordAdmin(ProvidersAdmin[_M]):
    """A record: written by the services, read by people. Nobody adds, edits or deletes one by hand."""

    paginator = BoundedPaginator

    def has_add_permission(self, request: HttpRequest, obj: Any = None) -> bool:
        return False

    def has_change_permission(self, request: HttpRequest, obj: Any = None) -> bool:
        return False

    def has_delete_permission(self, request: HttpRequest, obj: Any = None) -> bool:
        return False


def actor_name(request: HttpRequest) -> str:
    """Return the name under which this user's doings are recorded."""
    return request.user.get_username()


def error_show(request: HttpRequest, error: ApplicationError, *, about: object = "") -> None:
    """Show what a service refused as a message in place of an error page."""
    messages.error(request, f"{about}: {error.message}" if about else error.message)


def badge(state: str, label: str = "") -> SafeString:
    """Show a state as a coloured pill."""
    return format_html('<span class="badge {}">{}</span>', _TONE_OF.get(state, ""), label or state)


def ago(at: datetime | None) -> SafeString:
    """Show an instant by its distance from now, the exact one in the tooltip."""
    if at is None:
        return SafeString(DASH)
    now = timezone.now()
    if abs((now - at).total_seconds()) < 60:
        words = "just now" if at <= now else "in a moment"
    elif at < now:
        words = f"{timesince(at, now, depth=1)} ago"
    else:
        words = f"in {timesince(now, at, depth=1)}"
    exact = at.strftime("%Y-%m-%d %H:%M:%S UTC")
    return format_html('<time datetime="{}" title="{}">{}</time>', at.isoformat(), exact, words)


def link(to: str, text: object, *, pk: object = None, query: str = "") -> SafeString:
    """Link to the admin page `to`, e.g. `providers_apikey_change`."""
    href = reverse(f"admin:{to}", args=[pk] if pk is not None else None)
    return format_html('<a href="{}{}">{}</a>', href, query, text)
