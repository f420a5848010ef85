"""`POST /ultra-fast-process`: asked in the request itself, by a provider on a real socket."""

from typing import Any

import pytest
from rest_framework.test import APIClient

from processing.models import Domain, Run
from tests.factories import make_domain, make_key, make_model, make_prompt_version, make_provider
from tests.stub_provider import Answer, stub_provider

ADDRESS = "/api/v2/ultra-fast-process"
pytestmark = pytest.mark.django_db(transaction=True)


def make_lane_at(url: str) -> None:
    """One default prompt and one model that can be asked at `url`."""
    make_prompt_version()
    provider = make_provider(base_url=url)
    make_key(provider=provider)
    make_model(provider=provider)


def test_answers_come_with_the_response(api_client: APIClient) -> None:
    make_domain("nike.com")
    make_domain("adidas.com")
    with stub_provider() as stub:
        make_lane_at(stub.url)

        response = api_client.post(ADDRESS, {"batch_size": 1})

    data = response.json()
    assert (response.status_code, data["processed"], data["failed"], data["unfinished"]) == (200, 1, 0, 0)
    assert (data["run"]["kind"], data["run"]["status"]) == ("ultra", "completed")
    (domain,) = data["domains"]
    assert (domain["name"], domain["status"]) == ("nike.com", "completed")
    assert [answer["text"] for answer in domain["answers"]] == ["An answer."]
    assert isinstance(data["duration_ms"], int)


def test_named_domains_are_asked_even_when_fresh(api_client: APIClient) -> None:
    domain = make_domain("nike.com", due_at=None)
    with stub_provider() as stub:
        make_lane_at(stub.url)

        first = api_client.post(ADDRESS, {"domains": ["www.nike.com"]}).json()
        again = api_client.post(ADDRESS, {"domains": [str(domain.pk)], "skip_fresh_days": 1}).json()

    assert (first["processed"], again["processed"], again["run"], again["domains"]) == (1, 0, None, [])


def test_failure_is_told_as_failure(api_client: APIClient) -> None:
    make_domain("nike.com")
    with stub_provider(lambda _call, _number: Answer(text="")) as stub:
        make_lane_at(stub.url)

        data = api_client.post(ADDRESS).json()

    assert (data["processed"], data["failed"], data["unfinished"]) == (0, 1, 0)
    assert (data["run"]["status"], data["domains"][0]["answers"]) == ("failed", [])


@pytest.mark.parametrize(("on_timeout", "status"), [("queue", "processing"), ("cancel", "pending")])
def test_slow_provider_leaves_domains_unfinished(api_client: APIClient, on_timeout: str, status: str) -> None:
    make_domain("nike.com")
    with stub_provider(lambda _call, _number: Answer(delay_s=5)) as stub:
        make_lane_at(stub.url)

        data = api_client.post(ADDRESS, {"timeoutS": 1, "on_timeout": on_timeout}).json()

    assert (data["unfinished"], data["domains"][0]["status"]) == (1, status)
    assert data["duration_ms"] < 4000


@pytest.mark.parametrize(
    ("body", "status", "code"),
    [
        ({"batch_size": 101}, 400, "validation"),
        ({"batch_size": "all"}, 400, "validation"),
        ({"timeout_s": 0}, 400, "validation"),
        ({"timeout_s": 121}, 400, "validation"),
        ({"on_timeout": "wait"}, 400, "validation"),
        ({"skip_fresh_days": 1}, 400, "validation"),
        ({"domains": ["unknown.com"]}, 400, "validation"),
        ({"domains": ["nike.com"], "batch_size": 1}, 400, "validation"),
        ({"speed": 1}, 400, "unknown_field"),
        ({}, 409, "no_models"),
    ],
)
def test_ultra_fast_refuses_what_it_cannot_do(
    api_client: APIClient, body: dict[str, Any], status: int, code: str
) -> None:
    make_domain("nike.com")
    make_prompt_version()

    response = api_client.post(ADDRESS, body)

    assert (response.status_code, response.json()["error"]["code"]) == (status, code)
    assert not Run.objects.exists()


def test_too_many_questions_are_refused_and_nothing_is_taken(api_client: APIClient) -> None:
    make_lane_at("http://127.0.0.1:9")
    for _ in range(5):
        make_prompt_version()
    for _ in range(100):
        make_domain()

    response = api_client.post(ADDRESS, {"batch_size": 100})

    assert (response.status_code, response.json()["error"]["code"]) == (413, "too_many_questions")
    assert not Domain.objects.filter(open_run__isnull=False).exists()
