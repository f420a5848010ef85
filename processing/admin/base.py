"""What every admin page of this app builds on: records that nobody types in, paging without full counts,
actions that call one service and say what became of it.
"""

from collections.abc import Callable, Iterator
from contextlib import contextmanager
from functools import cached_property, wraps
from typing import TYPE_CHECKING, Any, TypeVar

from django.contrib import admin, messages
from django.contrib.admin.views.main import ChangeList
from django.contrib.auth.models import AnonymousUser, User
from django.core.paginator import Paginator
from django.db.models import Model, QuerySet
from django.http import HttpRequest, HttpResponse
from django.utils.safestring import SafeString

from processing.admin import show
from processing.errors import ApplicationError
from processing.models import Run

_M = TypeVar("_M", bound=Model)
START_PERMISSION = (
    "processing.change_run"  # who may start, pause, cancel and repeat; the API asks for the same one
)

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


class ProcessingAdmin(TypedModelAdmin[_M]):
    """Common defaults; `has_start_permission` serves actions that ask for the permission `start`."""

    show_full_result_count = False
    list_per_page = 50
    list_max_show_all = 0
    show_facets = admin.ShowFacets.NEVER  # each would be a count of the whole table
    empty_value_display = show.DASH

    def has_start_permission(self, request: HttpRequest) -> bool:
        """Tell whether this user may start and steer runs."""
        return request.user.has_perm(START_PERMISSION)

    def rows_prepare(self, request: HttpRequest, rows: list[_M]) -> None:
        """Attach to the rows of a list page what its columns show, in a fixed number of queries."""

    def get_changelist_instance(self, request: HttpRequest) -> ChangeList:
        """Build the list page and prepare exactly the rows that it shows."""
        changelist = super().get_changelist_instance(request)
        rows = list(changelist.result_list)
        self.rows_prepare(request, rows)
        changelist.result_list = rows
        return changelist


class RecordAdmin(ProcessingAdmin[_M]):
    """A record: written by the engine, read by people. Nobody adds, edits or deletes one by hand."""

    def has_add_permission(self, request: HttpRequest, obj: Any = None) -> bool:
        return False

    def has_change_permission(self, request: HttpRequest, obj: Any = None) -> bool:
        return False

    def has_delete_permission(self, request: HttpRequest, obj: Any = None) -> bool:
        return False

    def has_view_permission(self, request: HttpRequest, obj: Any = None) -> bool:
        """Whoever may view or change it in general may read it."""
        name = self.opts.model_name
        return any(
            request.user.has_perm(f"{self.opts.app_label}.{verb}_{name}") for verb in ("view", "change")
        )


def actor_name(request: HttpRequest) -> str:
    """Return the name under which this user's doings are recorded."""
    user: User | AnonymousUser = request.user
    return user.get_username()


@contextmanager
def errors_shown(
    request: HttpRequest, *, about: object = "", but: tuple[type[ApplicationError], ...] = ()
) -> Iterator[None]:
    """Show what a service refuses as a message, with its fields, in place of an error page; `but` are raised on."""
    try:
        yield
    except ApplicationError as error:
        if isinstance(error, but):
            raise
        _error_show(request, error, about=about)


def _error_show(request: HttpRequest, error: ApplicationError, *, about: object = "") -> None:
    details = "; ".join(text for texts in (error.fields or {}).values() for text in texts)
    prefix = f"{about}: " if about else ""
    messages.error(request, f"{prefix}{error.message}{' ' + details if details else ''}")


_Action = Callable[[Any, HttpRequest, QuerySet[Any]], HttpResponse | None]


def service_action(*, permission: str, description: str) -> Callable[[_Action], _Action]:
    """Mark a list action: who may run it, what it is called, and that its service's refusals are shown."""

    def decorate(action: _Action) -> _Action:
        @wraps(action)
        def run_it(model_admin: Any, request: HttpRequest, queryset: QuerySet[Any]) -> HttpResponse | None:
            try:
                return action(model_admin, request, queryset)
            except ApplicationError as error:
                _error_show(request, error)
                return None

        return admin.action(permissions=[permission], description=description)(run_it)

    return decorate


def run_link(run: Run) -> SafeString:
    """Link to a run by its number."""
    return show.link("processing_run_change", f"Run {run.pk}", pk=run.pk)
