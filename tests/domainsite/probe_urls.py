"""Addresses of views that exist only in tests: they fail in every way that a view can."""

from typing import Any

from django.contrib.auth.models import User
from django.core.exceptions import PermissionDenied, RequestDataTooBig, SuspiciousOperation
from django.core.exceptions import ValidationError as ModelValidationError
from django.db import OperationalError
from django.http import Http404
from django.urls import path
from redis.exceptions import ConnectionError as RedisConnectionError
from rest_framework import exceptions as drf
from rest_framework import generics, serializers
from rest_framework.exceptions import ErrorDetail
from rest_framework.request import Request
from rest_framework.response import Response
from rest_framework.views import APIView

from domainsite.urls import handler400, handler403, handler404, handler500
from domainsite.urls import urlpatterns as real_patterns
from processing.errors import AlreadyProcessing, Invalid, Unavailable

__all__ = ["handler400", "handler403", "handler404", "handler500"]

FAILURES: dict[str, Exception] = {
    "invalid": Invalid("No.", fields={"size": ["Too large."]}),
    "conflict": AlreadyProcessing("All of it is being asked.", extra={"run": 17}),
    "unavailable": Unavailable("Not now."),
    "http404": Http404("No domain has the id 17."),
    "denied": PermissionDenied("Not you."),
    "large": RequestDataTooBig("Too much."),
    "suspicious": SuspiciousOperation("Odd."),
    "model": ModelValidationError({"name": ["Taken."]}),
    "nested": drf.ValidationError(
        {"domains": {"3": {"name": ["Empty."]}}, "non_field_errors": ["One is wrong."]}
    ),
    "unknown": drf.ValidationError({"batch": [ErrorDetail("No such field.", code="unknown_field")]}),
    "throttled": drf.Throttled(wait=3.2),
    "database": OperationalError("database is locked"),
    "redis": RedisConnectionError("refused"),
    "bug": ZeroDivisionError("division by zero"),
}


class FailingView(APIView):
    """Raises what the address names."""

    required_scopes = None

    def get(self, request: Request, name: str) -> Response:
        """Fail."""
        raise FAILURES[name]


class EchoView(APIView):
    """Answers who calls and what was sent."""

    required_scopes = {"GET": "read", "POST": "process"}
    query_params = {"GET": {"status"}}

    def get(self, request: Request) -> Response:
        """Name the caller."""
        return Response({"actor": request.user.get_username(), "operates": request.has_scope("operate")})  # type: ignore[attr-defined]

    def post(self, request: Request) -> Response:
        """Return the body."""
        return Response(request.data)


class UserSerializer(serializers.ModelSerializer[User]):
    class Meta:
        model = User
        fields = ["id", "username", "last_name", "last_login"]


class UserList(generics.ListAPIView[User]):
    """A list with a total order over columns that repeat or are unknown."""

    required_scopes = {"GET": "read"}
    serializer_class = UserSerializer
    queryset = User.objects.all()
    ordering_fields = {"last_name", "last_login", "username"}
    filter_backends: list[Any] = []


class UndeclaredView(APIView):
    """Declares no scope."""

    def get(self, request: Request) -> Response:
        """Answer."""
        return Response({})


urlpatterns = [
    path("api/v2/failing/<str:name>", FailingView.as_view()),
    path("api/v2/echo", EchoView.as_view()),
    path("api/v2/users", UserList.as_view()),
    path("api/v2/undeclared", UndeclaredView.as_view()),
    path("page/<str:name>", lambda _request, name: _raise(FAILURES[name])),
    *real_patterns,
]


def _raise(error: Exception) -> Any:
    raise error
