"""What is answered when no view could: JSON under `/api/`, a readable page elsewhere."""

import sys

from django.http import HttpRequest, HttpResponse
from django.template import loader

from domainsite.api.errors import RETRY_AFTER_S, UNAVAILABLE, json_error, unavailable_message
from domainsite.api.request_id import current_request_id

API_PATHS = ("/api", "/livez", "/readyz")


# Django hands the exception over by its name, so the parameter must be called so.
def bad_request(request: HttpRequest, exception: Exception | None = None) -> HttpResponse:  # noqa: ARG001
    """Answer a request that Django found malformed, such as one with a foreign host name."""
    return _answer(
        request, 400, "validation", "The request is malformed, or its Host is not one of this service."
    )


def permission_denied(request: HttpRequest, exception: Exception | None = None) -> HttpResponse:
    """Answer who is known but may not."""
    return _answer(request, 403, "scope_missing", str(exception or "") or "You may not do this.")


def csrf_failure(request: HttpRequest, reason: str = "") -> HttpResponse:
    """Answer a form that did not come from our own pages, or came too late."""
    return _answer(
        request, 403, "csrf_failed", f"The form is not ours or too old: reload the page. ({reason})"
    )


def page_not_found(request: HttpRequest, exception: Exception | None = None, **_path: str) -> HttpResponse:  # noqa: ARG001
    """Answer for an address that is none."""
    return _answer(request, 404, "not_found", f"There is nothing at {request.path[:200]}.")


def server_error(request: HttpRequest) -> HttpResponse:
    """Answer an exception nobody expected: 503 when the database or Redis is away, else 500."""
    error = sys.exc_info()[1]
    if isinstance(error, UNAVAILABLE):
        return _answer(request, 503, "unavailable", unavailable_message(error))
    return _answer(request, 500, "internal_error", "Something went wrong here. Report the request id.")


def _answer(request: HttpRequest, status: int, code: str, message: str) -> HttpResponse:
    if request.path_info.startswith(API_PATHS):
        return json_error(status, code, message)
    facts = {"status": status, "message": message, "request_id": current_request_id()}
    page = loader.render_to_string("error.html", facts)
    response = HttpResponse(page, status=status)
    if status == 503:
        response["Retry-After"] = str(RETRY_AFTER_S)
    return response
