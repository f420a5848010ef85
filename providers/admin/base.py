"""What every admin page builds on, here and in the apps above: records that nobody types in, paging without full
counts, columns that are prepared for a whole page at once.
"""

from functools import cached_property
from typing import TYPE_CHECKING, Any, TypeVar

from django.contrib import admin, messages
from django.contrib.admin import FieldListFilter
from django.contrib.admin.views.main import ChangeList
from django.core.paginator import Paginator
from django.db.models import Model, QuerySet
from django.http import HttpRequest

from providers.admin.show import DASH
from providers.errors import ApplicationError

_M = TypeVar("_M", bound=Model)

if TYPE_CHECKING:

    class TypedModelAdmin(admin.ModelAdmin[_M]):
        """The stubs know the model of an admin, Django itself does not."""
else:

    class TypedModelAdmin(admin.ModelAdmin):
        """Accepts the model as a type parameter, which Django's class does not."""

        def __class_getitem__(cls, _model: type[Model]) -> type:
            return cls


class BoundedPaginator(Paginator):
    """Counts at most `COUNT_AT_MOST` rows, so that a page of a table of millions costs the same as of a small one.

    What lies beyond is reached by filters, never by paging.
    """

    COUNT_AT_MOST = 5_000

    @cached_property
    def count(self) -> int:
        return self._counted[0]

    @cached_property
    def is_cut(self) -> bool:
        """True when there are more rows than were counted."""
        return self._counted[1]

    @cached_property
    def _counted(self) -> tuple[int, bool]:
        rows = self.object_list
        n = rows.order_by()[: self.COUNT_AT_MOST + 1].count() if isinstance(rows, QuerySet) else len(rows)
        return min(n, self.COUNT_AT_MOST), n > self.COUNT_AT_MOST


class PreparedAdmin(TypedModelAdmin[_M]):
    """Common defaults, and rows that are prepared together."""

    show_full_result_count = False
    list_per_page = 50
    list_max_show_all = 0
    show_facets = admin.ShowFacets.NEVER  # each would be a count of the whole table
    empty_value_display = DASH

    def rows_prepare(self, request: HttpRequest, rows: list[_M]) -> None:
        """Attach to the rows of a list page what its columns show, in a fixed number of queries."""

    def get_changelist_instance(self, request: HttpRequest) -> ChangeList:
        """Build the list page and prepare exactly the rows that it shows."""
        changelist = super().get_changelist_instance(request)
        rows = list(changelist.result_list)
        self.rows_prepare(request, rows)
        changelist.result_list = rows
        return changelist


class RecordMixin:
    """A record: written by the services, read by people. Nobody adds, edits or deletes one by hand."""

    def has_add_permission(self, request: HttpRequest, obj: Any = None) -> bool:
        return False

    def has_change_permission(self, request: HttpRequest, obj: Any = None) -> bool:
        return False

    def has_delete_permission(self, request: HttpRequest, obj: Any = None) -> bool:
        return False

    def has_view_permission(self, request: HttpRequest, obj: Any = None) -> bool:
        """Whoever may view or change it in general may read it."""
        opts = self.opts  # type: ignore[attr-defined]  # of ModelAdmin
        return any(
            request.user.has_perm(f"{opts.app_label}.{verb}_{opts.model_name}") for verb in ("view", "change")
        )


class RecordAdmin(RecordMixin, PreparedAdmin[_M]):
    """The page of a record."""

    paginator = BoundedPaginator


def titled(title: str, filter_class: type[FieldListFilter]) -> type[FieldListFilter]:
    """Return the filter under a title of its own, where the field's name would read badly ("By is archived")."""

    class Titled(filter_class):  # type: ignore[valid-type, misc]
        def __init__(self, *args: Any, **kwargs: Any) -> None:
            super().__init__(*args, **kwargs)
            self.title = title

    return Titled


def actor_name(request: HttpRequest) -> str:
    """Return the name under which this user's doings are recorded."""
    return request.user.get_username()


def error_show(request: HttpRequest, error: ApplicationError, *, about: object = "") -> None:
    """Show what a service refused as a message in place of an error page."""
    messages.error(request, f"{about}: {error.message}" if about else error.message)
