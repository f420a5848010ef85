"""What every admin page of this app builds on, beside what providers' pages share: who may steer runs, and actions that
call one service and say what became of it.
"""

from collections.abc import Callable, Iterator
from contextlib import contextmanager
from functools import wraps
from typing import Any, TypeVar

from django.contrib import admin, messages
from django.db.models import Model, QuerySet
from django.http import HttpRequest, HttpResponse
from django.utils.safestring import SafeString

from processing.admin import show
from processing.errors import ApplicationError
from processing.models import Run
from providers.admin.base import BoundedPaginator, PreparedAdmin, RecordMixin, actor_name, titled

__all__ = [
    "START_PERMISSION", "BoundedPaginator", "ProcessingAdmin", "RecordAdmin", "actor_name", "errors_shown", "run_link",
    "service_action", "titled",
]  # fmt: skip

_M = TypeVar("_M", bound=Model)
START_PERMISSION = (
    "processing.change_run"  # who may start, pause, cancel and repeat; the API asks for the same one
)


class ProcessingAdmin(PreparedAdmin[_M]):
    """Common defaults; `has_start_permission` serves actions that ask for the permission `start`."""

    def has_start_permission(self, request: HttpRequest) -> bool:
        """Tell whether this user may start and steer runs."""
        return request.user.has_perm(START_PERMISSION)


class RecordAdmin(RecordMixin, ProcessingAdmin[_M]):
    """A record: written by the engine, read by people, steered by verbs."""


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
