"""`POST /domains/import` over HTTP: formats, options, and what is refused."""

import json
from typing import Any

import pytest
from rest_framework.test import APIClient

from processing.models import Domain
from tests.factories import make_domain

pytestmark = pytest.mark.django_db
ADDRESS = "/api/v2/domains/import"


def post(client: APIClient, body: Any, content_type: str = "application/json", query: str = "") -> Any:
    data = body if isinstance(body, (str, bytes)) else json.dumps(body)
    return client.post(f"{ADDRESS}{query}", data, content_type=content_type)


def test_import_answers_with_a_verdict_per_row(api_client: APIClient) -> None:
    known = make_domain("known.com")

    response = post(api_client, {"domains": ["new.com", "known.com", {"domain": "NEW.com"}, "nonsense"]})

    new = Domain.objects.get(name="new.com")
    assert response.status_code == 200
    assert response.json()["counts"] == {
        "created": 1,
        "updated": 0,
        "exists": 1,
        "duplicate": 1,
        "invalid": 1,
    }
    rows = [(row["row"], row["verdict"], row["id"], row["name"]) for row in response.json()["results"]]
    assert rows == [
        (1, "created", new.pk, "new.com"),
        (2, "exists", known.pk, "known.com"),
        (3, "duplicate", new.pk, "new.com"),
        (4, "invalid", None, None),
    ]


@pytest.mark.parametrize("content_type", ["text/csv", "text/csv; charset=utf-8", "text/plain"])
def test_import_takes_other_formats_by_content_type(api_client: APIClient, content_type: str) -> None:
    response = post(api_client, "create.com\nselect.io\n", content_type, "?cohorts=a,b")

    assert response.json()["counts"]["created"] == 2
    assert [c.name for c in Domain.objects.get(name="select.io").cohorts.all()] == ["a", "b"]


def test_import_of_csv_loads_the_good_rows_and_names_the_bad(api_client: APIClient) -> None:
    lines = ["domain,cohort", *(f"brand{i}.com,shoes" for i in range(1000)), *(["bad row"] * 10)]

    response = post(api_client, "\n".join(lines), "text/csv")

    bad = [row["row"] for row in response.json()["results"] if row["verdict"] == "invalid"]
    assert bad == list(range(1002, 1012))
    assert Domain.objects.count() == 1000


@pytest.mark.parametrize("query", ["?dry_run=true", "?dryRun=1"])
def test_import_dry_run_by_query(api_client: APIClient, query: str) -> None:
    response = post(api_client, "nike.com\n", "text/csv", query)

    assert (response.json()["dry_run"], response.json()["results"][0]["verdict"]) == (True, "created")
    assert not Domain.objects.exists()


def test_import_updates_when_asked(api_client: APIClient) -> None:
    make_domain("nike.com")

    response = post(api_client, {"domains": [{"domain": "nike.com", "name": "Nike"}], "update": True})

    assert response.json()["results"][0]["verdict"] == "updated"
    assert Domain.objects.get().display_name == "Nike"


@pytest.mark.parametrize(
    ("body", "content_type", "status", "code"),
    [
        ("{", "application/json", 400, "invalid_json"),
        ("[" * 50_000, "application/json", 400, "invalid_json"),
        ('["nike.com"]', "application/json", 400, "validation"),
        ({}, "application/json", 400, "validation"),
        ({"domains": []}, "application/json", 400, "validation"),
        ({"domains": "nike.com"}, "application/json", 400, "validation"),
        ({"domains": None}, "application/json", 400, "validation"),
        ({"domains": ["nike.com"], "update": None}, "application/json", 400, "validation"),
        ({"domains": ["nike.com"], "update": "perhaps"}, "application/json", 400, "validation"),
        ({"domains": ["nike.com"], "cohorts": ["!!!"]}, "application/json", 400, "validation"),
        ({"domains": ["nike.com"], "cohorts": ["\ud800"]}, "application/json", 400, "validation"),
        ({"domains": ["nike.com"], "rows": []}, "application/json", 400, "unknown_field"),
        ({"domains": ["nike.com"] * 10_001}, "application/json", 413, "too_large"),
        ("cohort\nshoes\n", "text/csv", 400, "validation"),
        ("a.com\n" * 10_001, "text/plain", 413, "too_large"),
        ("<domains/>", "application/xml", 415, "unsupported_media_type"),
        (b"\x00" * (10 * 1024 * 1024 + 1), "text/csv", 413, "too_large"),
    ],
)
def test_import_that_cannot_be_read_is_refused(
    api_client: APIClient, body: Any, content_type: str, status: int, code: str
) -> None:
    response = post(api_client, body, content_type)

    assert (response.status_code, response.json()["error"]["code"]) == (status, code)
    assert not Domain.objects.exists()


@pytest.mark.parametrize("query", ["?colour=red", "?domains=nike.com"])
def test_import_refuses_other_parameters(api_client: APIClient, query: str) -> None:
    response = post(api_client, "nike.com", "text/csv", query)

    assert (response.status_code, response.json()["error"]["code"]) == (400, "unknown_field")


@pytest.mark.parametrize("text", ["nike\x00.com", "\x00", "\ufffe.com"])
@pytest.mark.parametrize("content_type", ["text/csv", "text/plain"])
def test_import_of_unprintable_rows_is_a_verdict_and_no_failure(
    api_client: APIClient, text: str, content_type: str
) -> None:
    response = post(api_client, text, content_type)

    assert (response.status_code, response.json()["counts"]["invalid"]) == (200, 1)


def test_import_of_surrogates_is_a_verdict_and_no_failure(api_client: APIClient) -> None:
    response = post(api_client, '{"domains": ["\\ud800.com", {"domain": "a.com", "\\ud800": 1}]}')

    assert (response.status_code, response.json()["counts"]["invalid"]) == (200, 2)
