"""Every failure is answered in the one shape, with its code and never with a stack trace."""

from typing import Any

import pytest
from django.test import Client
from rest_framework.test import APIClient

pytestmark = [pytest.mark.django_db, pytest.mark.urls("tests.domainsite.probe_urls")]

ANSWERS: list[tuple[str, int, dict[str, Any]]] = [
    ("invalid", 400, {"code": "validation", "message": "No.", "fields": {"size": ["Too large."]}}),
    ("conflict", 409, {"code": "already_processing", "message": "All of it is being asked.", "run": 17}),
    ("unavailable", 503, {"code": "unavailable", "message": "Not now."}),
    ("http404", 404, {"code": "not_found", "message": "No domain has the id 17."}),
    ("denied", 403, {"code": "scope_missing", "message": "Not you."}),
    ("large", 413, {"code": "too_large", "message": "The body is too large."}),
    ("suspicious", 400, {"code": "validation", "message": "The request is malformed."}),
    (
        "model",
        400,
        {"code": "validation", "message": "Some values are not valid.", "fields": {"name": ["Taken."]}},
    ),
    (
        "nested",
        400,
        {"code": "validation", "message": "One is wrong.", "fields": {"domains.3.name": ["Empty."]}},
    ),
    (
        "unknown",
        400,
        {
            "code": "unknown_field",
            "message": "Some values are not valid.",
            "fields": {"batch": ["No such field."]},
        },
    ),
    (
        "throttled",
        429,
        {"code": "throttled", "message": "Request was throttled. Expected available in 4 seconds."},
    ),
    (
        "database",
        503,
        {"code": "unavailable", "message": "The database does not answer now. Try again in a moment."},
    ),
    ("redis", 503, {"code": "unavailable", "message": "Redis does not answer now. Try again in a moment."}),
]


@pytest.mark.parametrize(("name", "status", "error"), ANSWERS)
def test_failure_of_a_view_has_the_one_shape(name: str, status: int, error: dict[str, Any]) -> None:
    answer = APIClient().get(f"/api/v2/failing/{name}")

    assert answer.status_code == status
    assert answer.json() == {"error": {**error, "request_id": answer["X-Request-ID"]}}
    assert ("Retry-After" in answer) == (status in (429, 503))


def test_bug_is_answered_without_its_text() -> None:
    answer = APIClient(raise_request_exception=False).get("/api/v2/failing/bug")

    assert answer.status_code == 500
    assert answer.json()["error"]["code"] == "internal_error"
    assert b"division" not in answer.content


@pytest.mark.parametrize(
    ("name", "status"), [("http404", 404), ("denied", 403), ("bug", 500), ("database", 503)]
)
def test_failure_of_a_page_is_readable(name: str, status: int) -> None:
    answer = Client(raise_request_exception=False).get(f"/page/{name}")

    assert answer.status_code == status
    assert answer["Content-Type"].startswith("text/html")
    assert b"<h1>" in answer.content
    assert answer["X-Request-ID"].encode() in answer.content


@pytest.mark.parametrize(
    "path", ["/api/v2/nope", "/api/v2", "/api/v2/", "/api/v3/runs", "/api/v2/runs/1/nope"]
)
def test_unknown_address_is_json(path: str, api_client: APIClient) -> None:
    answer = api_client.get(path)

    assert (answer.status_code, answer.json()["error"]["code"]) == (404, "not_found")


def test_foreign_host_is_json() -> None:
    answer = APIClient().get("/api/v2/echo", headers={"host": "evil.example.com"})

    assert (answer.status_code, answer.json()["error"]["code"]) == (400, "validation")


BODIES = [
    ('{"a": 1', "application/json", 400, "invalid_json"),
    ('{"a": NaN}', "application/json", 400, "invalid_json"),
    ("[" * 100_000, "application/json", 400, "invalid_json"),
    (b"\xff\xfe", "application/json", 400, "invalid_json"),
    ("[1]", "application/json", 400, "validation"),
    ("null", "application/json", 400, "validation"),
    ("a,b", "text/csv", 415, "unsupported_media_type"),
]


@pytest.mark.parametrize(("body", "content_type", "status", "code"), BODIES)
def test_body_that_is_no_json_object(
    api_client: APIClient, body: str | bytes, content_type: str, status: int, code: str
) -> None:
    data: Any = body
    answer = api_client.generic("POST", "/api/v2/echo", data, content_type=content_type)

    assert (answer.status_code, answer.json()["error"]["code"]) == (status, code)


def test_body_that_is_empty_counts_as_an_empty_object(api_client: APIClient) -> None:
    answer = api_client.generic("POST", "/api/v2/echo", "", content_type="application/json")

    assert (answer.status_code, answer.json()) == (200, {})


def test_body_that_is_too_large(api_client: APIClient, settings: Any) -> None:
    settings.DATA_UPLOAD_MAX_MEMORY_SIZE = 100

    answer = api_client.post("/api/v2/echo", {"a": "x" * 100})

    assert (answer.status_code, answer.json()["error"]["code"]) == (413, "too_large")


def test_wrong_method_and_accept_header(api_client: APIClient) -> None:
    assert api_client.delete("/api/v2/echo").json()["error"]["code"] == "method_not_allowed"
    assert api_client.get("/api/v2/echo", headers={"accept": "image/png"}).status_code == 406


def test_trailing_slash_changes_nothing(api_client: APIClient) -> None:
    assert api_client.get("/api/v2/echo/").json() == api_client.get("/api/v2/echo").json()


@pytest.mark.parametrize(
    ("given", "is_kept"), [("abc-1.2_3", True), ("a\nb", False), ("x" * 65, False), ("", False)]
)
def test_request_id_is_taken_over_when_harmless(given: str, is_kept: bool) -> None:
    answer = APIClient().get("/livez", headers={"x-request-id": given})

    assert (answer["X-Request-ID"] == given) == is_kept
    assert answer["X-Request-ID"]
