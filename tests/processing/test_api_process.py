"""`POST /process-pending-domains`: what it takes, what it refuses, and two callers at the same instant."""

import json
from collections.abc import Callable
from concurrent.futures import ThreadPoolExecutor
from datetime import timedelta
from threading import Barrier
from typing import Any

import pytest
from django.db import connection
from django.utils import timezone
from rest_framework.test import APIClient

from processing.models import Domain, Question, Run
from tests.factories import make_cohort, make_domain, make_key, make_model, make_prompt_version

pytestmark = pytest.mark.django_db
ADDRESS = "/api/v2/process-pending-domains"


@pytest.fixture
def askable() -> None:
    """One default prompt, and one model that can be asked."""
    make_prompt_version()
    make_key(provider=make_model().provider)


@pytest.mark.usefixtures("askable")
def test_pending_domains_become_a_run(api_client: APIClient) -> None:
    make_domain("nike.com")
    make_domain("adidas.com")
    make_domain("later.com", due_at=timezone.now() + timedelta(days=1))

    response = api_client.post(ADDRESS, {"batch_size": "all", "priority": 7})

    data = response.json()
    assert (response.status_code, data["domains_queued"], data["questions"]) == (202, 2, 2)
    assert (data["run"]["status"], data["run"]["priority"], data["run"]["kind"]) == ("running", 7, "api")
    assert data["run"]["created_by"] == "client:tester"
    assert data["queue"]["waiting"] == 2
    assert response["Location"] == f"/api/v2/runs/{data['run']['id']}"


@pytest.mark.usefixtures("askable")
@pytest.mark.parametrize(
    ("query", "body"),
    [("?batch_size=1", {}), ("?batchSize=1", {}), ("", {"batch_size": 1}), ("", {"batchSize": "1"})],
)
def test_parameters_come_by_body_or_query(api_client: APIClient, query: str, body: dict[str, Any]) -> None:
    make_domain("first.com", priority=9)
    make_domain("second.com")

    response = api_client.post(f"{ADDRESS}{query}", body)

    assert (response.status_code, response.json()["domains_queued"]) == (202, 1)
    assert Domain.objects.get(open_run__isnull=False).name == "first.com"


@pytest.mark.usefixtures("askable")
def test_default_batch_is_the_services_own(api_client: APIClient, settings: Any) -> None:
    settings.QUEUE_BATCH_SIZE = 2
    for _ in range(3):
        make_domain()

    assert api_client.post(ADDRESS).json()["domains_queued"] == 2


@pytest.mark.usefixtures("askable")
def test_cohorts_narrow_the_choice(api_client: APIClient) -> None:
    make_domain("nike.com", cohorts=(make_cohort(name="shoes"), make_cohort(name="sport")))
    make_domain("bbc.co.uk")

    response = api_client.post(f"{ADDRESS}?cohorts=shoes,sport")

    assert response.json()["domains_queued"] == 1


@pytest.mark.usefixtures("askable")
def test_nothing_pending_tells_when_the_next_is_due(api_client: APIClient) -> None:
    due_at = timezone.now() + timedelta(days=1)
    make_domain(due_at=due_at)

    response = api_client.post(ADDRESS)

    data = response.json()
    assert (response.status_code, data["run"], data["domains_queued"]) == (200, None, 0)
    assert data["next_due_at"].startswith(f"{due_at:%Y-%m-%dT%H:%M:%S}")
    assert data["next_due_at"].endswith("Z")
    assert not Run.objects.exists()


@pytest.mark.usefixtures("askable")
def test_retry_count_of_old_clients_is_answered_with_what_holds(api_client: APIClient) -> None:
    make_domain()

    data = api_client.post(ADDRESS, {"batchSize": 1, "retryCount": 5}).json()

    assert "RETRY_LIMIT" in data["ignored"]["retry_count"]


def test_missing_models_are_named(api_client: APIClient) -> None:
    make_domain()
    make_prompt_version()
    model = make_model()

    response = api_client.post(ADDRESS)

    error = response.json()["error"]
    assert (response.status_code, error["code"]) == (409, "no_models")
    assert model.name in error["message"]
    assert not Domain.objects.filter(open_run__isnull=False).exists()


def test_missing_prompts_are_told(api_client: APIClient) -> None:
    make_domain()
    make_key(provider=make_model().provider)

    response = api_client.post(ADDRESS)

    assert (response.status_code, response.json()["error"]["code"]) == (409, "no_prompts")


@pytest.mark.usefixtures("askable")
@pytest.mark.parametrize("way", ["body", "query"])
@pytest.mark.parametrize("value", [0, -1, 1001, 10**9, 10**30, "abc", "", "1.5", "1e3", "0x10", "１", "ALL"])
def test_batch_size_out_of_range_is_refused(api_client: APIClient, value: Any, way: str) -> None:
    make_domain()

    if way == "body":
        response = api_client.post(ADDRESS, {"batch_size": value})
    else:
        response = api_client.post(f"{ADDRESS}?batch_size={value}")

    error = response.json()["error"]
    assert (response.status_code, error["code"], list(error["fields"])) == (400, "validation", ["batch_size"])
    assert not Run.objects.exists()


@pytest.mark.usefixtures("askable")
@pytest.mark.parametrize(
    ("text", "code", "fields"),
    [
        ('{"batch_size": true}', "validation", ["batch_size"]),
        ('{"batch_size": false}', "validation", ["batch_size"]),
        ('{"batch_size": null}', "validation", ["batch_size"]),
        ('{"batch_size": 1.5}', "validation", ["batch_size"]),
        ('{"batch_size": 1.0}', "validation", ["batch_size"]),
        ('{"batch_size": [1]}', "validation", ["batch_size"]),
        ('{"batch_size": {}}', "validation", ["batch_size"]),
        ('{"batch_size": 1e999}', "validation", ["batch_size"]),
        ('{"batch_size": NaN}', "invalid_json", []),
        ('{"batch_size": 1', "invalid_json", []),
        ("[1]", "validation", []),
        ("17", "validation", []),
        ('{"priority": 0}', "validation", ["priority"]),
        ('{"priority": 11}', "validation", ["priority"]),
        ('{"prompts": []}', "validation", ["prompts"]),
        ('{"prompts": "x"}', "validation", ["prompts"]),
        ('{"prompts": [null]}', "validation", ["prompts.0"]),
        ('{"prompts": ["\\u0000"]}', "validation", ["prompts.0"]),
        ('{"prompts": ["\\ud800"]}', "validation", ["prompts.0"]),
        ('{"prompts": ["unknown"]}', "validation", ["prompts"]),
        ('{"models": ["unknown"]}', "validation", ["models"]),
        ('{"providers": ["unknown"]}', "validation", ["providers"]),
        ('{"cohorts": ["unknown"]}', "validation", ["cohorts"]),
        ('{"batchSize": 1, "batch_size": 1}', "validation", ["batch_size"]),
        ('{"colour": 1}', "unknown_field", ["colour"]),
        ('{"\\ud800": 1}', "unknown_field", ["?"]),
    ],
)
def test_body_that_cannot_be_read_is_refused(
    api_client: APIClient, text: str, code: str, fields: list[str]
) -> None:
    make_domain()

    response = api_client.post(ADDRESS, text, content_type="application/json")

    error = response.json()["error"]
    assert (response.status_code, error["code"], list(error.get("fields", {}))) == (400, code, fields)
    assert not Run.objects.exists()


def test_query_that_is_unknown_or_doubled_is_refused(api_client: APIClient) -> None:
    unknown = api_client.post(f"{ADDRESS}?batchsize=1").json()["error"]
    doubled = api_client.post(f"{ADDRESS}?batch_size=1&batch_size=2").json()["error"]
    both = api_client.post(f"{ADDRESS}?batch_size=1", {"batch_size": 1}).json()["error"]

    assert [error["code"] for error in (unknown, doubled, both)] == [
        "unknown_field",
        "validation",
        "validation",
    ]


def test_other_methods_and_formats_are_refused(api_client: APIClient) -> None:
    assert api_client.get(ADDRESS).json()["error"]["code"] == "method_not_allowed"
    response = api_client.post(ADDRESS, "batch_size=1", content_type="application/x-www-form-urlencoded")
    assert (response.status_code, response.json()["error"]["code"]) == (415, "unsupported_media_type")


@pytest.mark.django_db(transaction=True)
@pytest.mark.usefixtures("askable")
def test_callers_at_the_same_instant_never_share_a_domain(client_for: Callable[..., APIClient]) -> None:
    for _ in range(60):
        make_domain()
    n_callers = 4
    start = Barrier(n_callers)

    clients = [client_for("process", name=f"caller{number}") for number in range(n_callers)]

    def call(client: APIClient) -> Any:
        try:
            start.wait()
            response = client.post(ADDRESS, {"batch_size": 20})
            return response.status_code, json.loads(response.content)
        finally:
            connection.close()

    with ThreadPoolExecutor(n_callers) as pool:
        results = list(pool.map(call, clients))

    asked = list(Question.objects.values_list("domain_id", flat=True))
    assert {status for status, _data in results} <= {200, 202}
    assert len(asked) == len(set(asked)) == sum(data["domains_queued"] for _status, data in results)
    assert len(asked) == 60
