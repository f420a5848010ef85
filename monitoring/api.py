"""Health over HTTP: `/api/v2/health` for clients, `/livez` and `/readyz` for what runs the service."""

import time
from datetime import UTC, datetime
from typing import Any

from django.conf import settings
from django.http import HttpRequest, JsonResponse
from django.urls import path
from rest_framework.request import Request
from rest_framework.response import Response
from rest_framework.views import APIView

from monitoring.apps import STARTED_S
from monitoring.health import Check, prober


class HealthView(APIView):
    """Whether the service works, part by part; the messages are for the scope `operate`."""

    required_scopes = {"GET": None}

    def perform_authentication(self, request: Request) -> None:
        """Wait with it: it asks the database, which may be what hangs."""

    def get(self, request: Request) -> Response:
        """Answer 200, or 503 when unhealthy, within two seconds."""
        checks = prober.checks()
        health = prober.health(checks)
        is_database_ok = all(check.status == "ok" for check in checks if check.name == "database")
        # `has_scope` comes from the permission class; it is what asks the database who calls
        has_details = is_database_ok and request.has_scope("operate")  # type: ignore[attr-defined]
        body = {
            "status": health,
            "checks": [_check_data(check, has_details=has_details) for check in checks],
            "version": settings.VERSION,
            "uptime_s": round(time.monotonic() - STARTED_S),
            "timestamp": datetime.now(UTC).isoformat().replace("+00:00", "Z"),
        }
        return Response(body, status=503 if health == "unhealthy" else 200)


def _check_data(check: Check, *, has_details: bool) -> dict[str, Any]:
    message = check.message if has_details else None
    return {"name": check.name, "status": check.status, "message": message, "duration_ms": check.duration_ms}


def livez(_request: HttpRequest) -> JsonResponse:
    """Say that this process answers, whatever else does not."""
    return JsonResponse({"status": "ok"})


def readyz(_request: HttpRequest) -> JsonResponse:
    """Say whether requests can be served: database, migrations and Redis."""
    checks = prober.checks(only_vital=True)
    is_ready = all(check.status != "failed" for check in checks)
    body = {
        "status": "ready" if is_ready else "not_ready",
        "checks": {check.name: check.status for check in checks},
    }
    return JsonResponse(body, status=200 if is_ready else 503)


urlpatterns = [path("health", HealthView.as_view(), name="health")]
