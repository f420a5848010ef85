"""What holds for every API request before any view sees it: its size, and that a trailing slash changes nothing.

The size is checked here because DRF's parsers read the stream past Django's own limit.
"""

from collections.abc import Callable

from django.conf import settings
from django.http import HttpRequest, HttpResponseBase

from domainsite.api.errors import json_error

API_PATH = "/api/"


class ApiRequestMiddleware:
    """Answers 413 to bodies beyond `DATA_UPLOAD_MAX_MEMORY_SIZE` and drops one trailing slash."""

    def __init__(self, get_response: Callable[[HttpRequest], HttpResponseBase]) -> None:
        self.get_response = get_response

    def __call__(self, request: HttpRequest) -> HttpResponseBase:
        if request.path_info.startswith(API_PATH):
            limit = settings.DATA_UPLOAD_MAX_MEMORY_SIZE
            if _content_length(request) > limit:
                return json_error(413, "too_large", f"The body is larger than {limit} bytes.")
            request.path = request.path.removesuffix("/")
            request.path_info = request.path_info.removesuffix("/")
        return self.get_response(request)


def _content_length(request: HttpRequest) -> int:
    text = request.META.get("CONTENT_LENGTH") or "0"
    return int(text) if text.isdigit() else 0
