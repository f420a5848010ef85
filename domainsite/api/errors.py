"""The one shape of every error of the API: `{"error": {"code", "message", "fields"?, "request_id"}}`.

Errors of the apps are recognised by their attributes `status`, `code`, `message`, `fields` and `extra`,
so that they need not know of this module. Not here: pages for people (`domainsite/error_views.py`).
"""

import logging
from collections.abc import Iterator, Mapping
from typing import Any

from django.core.exceptions import NON_FIELD_ERRORS, PermissionDenied, RequestDataTooBig, SuspiciousOperation
from django.core.exceptions import ValidationError as ModelValidationError
from django.db import InterfaceError, OperationalError
from django.http import Http404, HttpResponse, JsonResponse
from redis.exceptions import ConnectionError as RedisConnectionError
from redis.exceptions import TimeoutError as RedisTimeoutError
from rest_framework import exceptions as drf
from rest_framework.response import Response
from rest_framework.settings import api_settings

from domainsite.api.request_id import current_request_id

RETRY_AFTER_S = 5
UNAVAILABLE = (OperationalError, InterfaceError, RedisConnectionError, RedisTimeoutError)
KEY_CODES = {"key_expired", "key_revoked"}
DRF_CODES: dict[type[drf.APIException], str] = {
    drf.NotFound: "not_found",
    drf.PermissionDenied: "scope_missing",
    drf.MethodNotAllowed: "method_not_allowed",
    drf.NotAcceptable: "not_acceptable",
    drf.UnsupportedMediaType: "unsupported_media_type",
    drf.Throttled: "throttled",
    drf.ParseError: "invalid_json",
}

logger = logging.getLogger(__name__)


class UnknownField(drf.ValidationError):
    """A parameter that the endpoint does not have."""

    default_code = "unknown_field"


def error_body(
    code: str,
    message: str,
    *,
    fields: Mapping[str, list[str]] | None = None,
    extra: Mapping[str, Any] | None = None,
) -> dict[str, Any]:
    """Return the body of an error answer; `extra` adds facts beside the message."""
    error: dict[str, Any] = {"code": code, "message": message, **(extra or {})}
    if fields:
        error["fields"] = fields
    return {"error": {**error, "request_id": current_request_id()}}


def json_error(status: int, code: str, message: str) -> HttpResponse:
    """Return an error answer from outside of DRF."""
    response = JsonResponse(error_body(code, message), status=status)
    if status == 503:
        response["Retry-After"] = str(RETRY_AFTER_S)
    return response


def error_response(error: Exception, context: Mapping[str, Any]) -> Response | None:
    """Turn an exception of a view into its answer: DRF's `EXCEPTION_HANDLER`. None lets it become a 500."""
    if hasattr(error, "status") and hasattr(error, "code") and hasattr(error, "message"):
        body = error_body(
            error.code,
            error.message,
            fields=getattr(error, "fields", None),
            extra=getattr(error, "extra", None),
        )
        headers = {"Retry-After": str(RETRY_AFTER_S)} if error.status == 503 else {}
        return Response(body, status=error.status, headers=headers)
    if isinstance(error, UNAVAILABLE):
        logger.warning("Answered 503: %s: %s", type(error).__name__, error)
        body = error_body("unavailable", unavailable_message(error))
        return Response(body, status=503, headers={"Retry-After": str(RETRY_AFTER_S)})
    known = error if isinstance(error, drf.APIException) else _as_drf_error(error)
    return None if known is None else _drf_response(known, context)


def unavailable_message(error: Exception) -> str:
    """Name what does not answer, without what it said."""
    part = "The database" if isinstance(error, OperationalError | InterfaceError) else "Redis"
    return f"{part} does not answer now. Try again in a moment."


def _as_drf_error(error: Exception) -> drf.APIException | None:
    """Translate Django's exceptions."""
    if isinstance(error, Http404):
        return drf.NotFound(str(error) or None)
    if isinstance(error, PermissionDenied):
        return drf.PermissionDenied(str(error) or None)
    if isinstance(error, RequestDataTooBig):
        too_large = drf.APIException("The body is too large.", code="too_large")
        too_large.status_code = 413
        return too_large
    if isinstance(error, SuspiciousOperation):
        return drf.ValidationError("The request is malformed.")
    if isinstance(error, ModelValidationError):
        is_by_field = hasattr(error, "error_dict")
        return drf.ValidationError(error.message_dict if is_by_field else error.messages)
    return None


def _drf_response(error: drf.APIException, context: Mapping[str, Any]) -> Response:
    fields: dict[str, list[str]] = {}
    if isinstance(error, drf.ValidationError):
        fields = _flattened(error.detail)
        message = " ".join(fields.pop("", [])) or "Some values are not valid."
    else:
        message = str(error.detail)
    headers = {}
    if header := getattr(error, "auth_header", None):
        headers["WWW-Authenticate"] = header
    if (wait_s := getattr(error, "wait", None)) is not None:  # of Throttled
        headers["Retry-After"] = str(int(wait_s) + 1)
    body = error_body(_code_for(error, context), message, fields=fields)
    return Response(body, status=error.status_code, headers=headers)


def _code_for(error: drf.APIException, context: Mapping[str, Any]) -> str:
    codes = error.get_codes()
    if isinstance(error, drf.AuthenticationFailed | drf.NotAuthenticated):
        return codes if isinstance(codes, str) and codes in KEY_CODES else "not_authenticated"
    if isinstance(error, drf.ValidationError):
        return "unknown_field" if set(_leaves(codes)) == {"unknown_field"} else "validation"
    if isinstance(error, drf.ParseError) and not _is_json(context):
        return "validation"
    if isinstance(error, drf.PermissionDenied) and str(error.detail).startswith("CSRF"):
        return "csrf_failed"
    return next((code for kind, code in DRF_CODES.items() if isinstance(error, kind)), str(codes))


def _is_json(context: Mapping[str, Any]) -> bool:
    request = context.get("request")
    return request is None or "json" in (request.content_type or "json")


def _leaves(codes: Any) -> Iterator[str]:
    if codes is None or isinstance(codes, str):
        yield codes or "invalid"  # errors of Django's forms may have no code
    else:
        for part in codes.values() if isinstance(codes, dict) else codes:
            yield from _leaves(part)


def _flattened(detail: Any, path: str = "") -> dict[str, list[str]]:
    """Return the texts by dotted path, `""` for those of no field: `{"rows": {3: ["x"]}}` → `{"rows.3": ["x"]}`."""
    if isinstance(detail, str):
        return {path: [str(detail)]}
    if isinstance(detail, list) and all(isinstance(part, str) for part in detail):
        return {path: [str(part) for part in detail]} if detail else {}
    pairs = detail.items() if isinstance(detail, dict) else enumerate(detail)
    flat: dict[str, list[str]] = {}
    for name, part in pairs:
        is_general = name in (api_settings.NON_FIELD_ERRORS_KEY, NON_FIELD_ERRORS)
        below = path if is_general else f"{path}.{name}".lstrip(".")
        for key, texts in _flattened(part, below).items():
            flat.setdefault(key, []).extend(texts)
    return flat
