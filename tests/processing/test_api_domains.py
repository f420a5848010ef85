"""`/domains` over HTTP: list, detail, answers, retry, and what clients may do with domains."""

import json
from collections.abc import Callable
from datetime import timedelta
from typing import Any

import pytest
from django.db import connection
from django.test.utils import CaptureQueriesContext
from django.utils import timezone
from rest_framework.test import APIClient

from processing.models import Domain, Question, Run
from tests.factories import (
    make_attempt,
    make_cohort,
    make_domain,
    make_key,
    make_model,
    make_prompt_version,
    make_run,
)

pytestmark = pytest.mark.django_db
API = "/api/v2"


def ask(*domains: Domain, n_answered: int = 0) -> Run:
    """Ask domains with a prompt and two models, and let the first questions be answered, the others fail."""
    models = (make_model(), make_model())
    make_key(provider=models[0].provider)
    make_key(provider=models[1].provider)
    run = make_run(domains=domains, versions=(make_prompt_version(),), models=models)
    for number, question in enumerate(run.questions.order_by("id")):
        is_answered = number < n_answered
        attempt = make_attempt(question=question, outcome="answered" if is_answered else "timeout")
        Question.objects.filter(pk=question.pk).update(
            status="answered" if is_answered else "failed",
            answer=attempt if is_answered else None,
            finished_at=timezone.now(),
        )
    return run


def end(run: Run) -> None:
    """Close a run as the engine does."""
    from processing.services.closing import run_close

    assert run_close(run.pk)


def names_of(response: Any) -> list[str]:
    assert response.status_code == 200, response.data
    return [row["name"] for row in response.data["results"]]


def test_domain_is_sent_as_documented(api_client: APIClient) -> None:
    domain = make_domain(
        "nike.com", cohorts=(make_cohort(name="shoes"),), display_name="Nike", aliases=["Swoosh"]
    )

    (row,) = api_client.get(f"{API}/domains").json()["results"]

    assert row.pop("due_at").endswith("Z")
    assert row.pop("created_at") <= row.pop("updated_at")
    nothing = dict.fromkeys(["answered", "failed", "declined", "skipped", "cancelled", "open"], 0)
    assert row == {
        "id": domain.pk, "name": "nike.com", "unicode_name": "nike.com", "display_name": "Nike",
        "aliases": ["Swoosh"], "category": "", "cohorts": ["shoes"], "priority": 5, "is_look_alike": False,
        "status": "pending", "coverage": {"questions": 0, **nothing}, "last_answered_at": None, "open_run": None,
    }  # fmt: skip


@pytest.mark.parametrize(
    ("query", "names"),
    [
        ("", ["nike.com", "adidas.com", "puma.com"]),
        ("status=archived", ["puma.com"]),
        ("status=archived,pending", ["nike.com", "puma.com"]),
        ("status=processing", ["adidas.com"]),
        ("cohort=shoes", ["nike.com"]),
        ("category=Sport", ["adidas.com"]),
        ("priority=9", ["puma.com"]),
        ("is_look_alike=true", []),
        ("search=NIKE", ["nike.com"]),
        ("search=three", ["adidas.com"]),
        ("stale_before=2026-01-02", ["nike.com", "puma.com"]),
        ("updated_since=2100-01-01T00:00:00Z", []),
        ("ordering=-priority,name", ["puma.com", "adidas.com", "nike.com"]),
        ("page_size=1", ["nike.com"]),
    ],
)
def test_domains_are_filtered_and_ordered(api_client: APIClient, query: str, names: list[str]) -> None:
    make_domain("nike.com", cohorts=(make_cohort(name="shoes"),))
    make_domain("adidas.com", open_run=make_run(), category="Sport", display_name="Three Stripes",
                last_answered_at=timezone.now())  # fmt: skip
    make_domain("puma.com", is_archived=True, priority=9)

    assert names_of(api_client.get(f"{API}/domains?{query}")) == names


@pytest.mark.parametrize(
    ("query", "field", "code"),
    [
        ("status=done", "status", "validation"),
        ("cohort=nowhere", "cohort", "validation"),
        ("priority=11", "priority", "validation"),
        ("priority=x", "priority", "validation"),
        ("stale_before=yesterday", "stale_before", "validation"),
        ("stale_before=0001-01-01T00:00:00%2B14:00", "stale_before", "validation"),
        ("search=%00", "search", "validation"),
        ("ordering=password", "ordering", "validation"),
        ("page_size=501", "page_size", "validation"),
        ("colour=red", "colour", "unknown_field"),
    ],
)
def test_domains_list_refuses_what_it_cannot_read(
    api_client: APIClient, query: str, field: str, code: str
) -> None:
    response = api_client.get(f"{API}/domains?{query}")

    assert (response.status_code, response.json()["error"]["code"]) == (400, code)
    assert list(response.json()["error"]["fields"]) == [field]


@pytest.mark.parametrize("reference", ["{0.pk}", "nike.com", "WWW.Nike.com"])
def test_domain_is_found_by_id_or_name(api_client: APIClient, reference: str) -> None:
    domain = make_domain("nike.com")

    assert api_client.get(f"{API}/domains/{reference.format(domain)}").json()["id"] == domain.pk


@pytest.mark.parametrize("reference", ["17", "9" * 30, "adidas.com", "%00", "nonsense", "-1"])
@pytest.mark.parametrize("rest", ["", "/answers"])
def test_unknown_domain_is_not_found(api_client: APIClient, reference: str, rest: str) -> None:
    response = api_client.get(f"{API}/domains/{reference}{rest}")

    assert (response.status_code, response.json()["error"]["code"]) == (404, "not_found")


def test_domain_detail_shows_answers_and_errors(api_client: APIClient) -> None:
    domain = make_domain("nike.com")
    run = ask(domain, n_answered=1)

    data = api_client.get(f"{API}/domains/nike.com").json()

    (answer,), (error,) = data["latest_answers"], data["errors"]
    assert (answer["run"], answer["domain"], answer["outcome"]) == (run.pk, "nike.com", "answered")
    assert "text" not in answer
    assert (error["status"], error["newest_attempt"]["outcome"]) == ("failed", "timeout")
    assert data["coverage"] == {
        "questions": 2, "answered": 1, "failed": 1, "declined": 0, "skipped": 0, "cancelled": 0, "open": 0,
    }  # fmt: skip


def test_domain_detail_includes_text_when_asked(api_client: APIClient) -> None:
    ask(make_domain("nike.com"), n_answered=1)

    data = api_client.get(f"{API}/domains/nike.com?include=text").json()

    assert data["latest_answers"][0]["text"] == "A shop for shoes."


def test_include_of_anything_else_is_refused(api_client: APIClient) -> None:
    make_domain("nike.com")

    for address in ("domains/nike.com", "domains/nike.com/answers"):
        response = api_client.get(f"{API}/{address}?include=secrets")
        assert (response.status_code, list(response.json()["error"]["fields"])) == (400, ["include"])


def test_answers_are_the_history_newest_first(api_client: APIClient) -> None:
    domain = make_domain("nike.com")
    runs = []
    for _ in range(2):
        runs.append(ask(domain, n_answered=2))
        end(runs[-1])

    rows = api_client.get(f"{API}/domains/{domain.pk}/answers?include=text").json()["results"]

    assert [row["run"] for row in rows] == [runs[1].pk] * 2 + [runs[0].pk] * 2
    assert {row["text"] for row in rows} == {"A shop for shoes."}


@pytest.mark.parametrize("name", ["prompt", "provider", "model", "run"])
def test_answers_are_filtered_by_what_they_are_of(api_client: APIClient, name: str) -> None:
    domain = make_domain("nike.com")
    ask(domain, n_answered=1)
    ask(domain, n_answered=1)
    address = f"{API}/domains/nike.com/answers"
    wanted = api_client.get(address).json()["results"][1]

    assert [row["id"] for row in api_client.get(address, {name: wanted[name]}).json()["results"]] == [
        wanted["id"]
    ]


@pytest.mark.parametrize(
    "address", ["domains", "domains/{0}", "domains/{0}/answers", "runs", "runs/{1}/questions"]
)
def test_reading_takes_the_same_queries_for_one_row_and_for_three(
    api_client: APIClient, address: str
) -> None:
    def queries(n: int) -> int:
        domains = [make_domain(f"brand{n}-{i}.com", cohorts=(make_cohort(),)) for i in range(n)]
        run = ask(*domains, n_answered=1)
        with CaptureQueriesContext(connection) as captured:
            assert api_client.get(f"{API}/{address.format(domains[0].pk, run.pk)}").status_code == 200
        return len(captured)

    api_client.get(f"{API}/domains")  # the client key's first use of a minute is written down
    assert queries(1) == queries(3)


def test_retry_asks_what_has_no_answer(api_client: APIClient) -> None:
    end(run := ask(make_domain("nike.com"), n_answered=1))

    response = api_client.post(f"{API}/domains/nike.com/retry")

    data = response.json()
    assert (response.status_code, data["questions"]) == (202, 1)
    assert (data["run"]["kind"], data["run"]["parent_run"], data["run"]["priority"]) == ("retry", run.pk, 9)
    assert response["Location"] == f"{API}/runs/{data['run']['id']}"


def test_retry_of_all_asks_everything_again(api_client: APIClient) -> None:
    end(ask(make_domain("nike.com"), n_answered=2))

    response = api_client.post(f"{API}/domains/nike.com/retry", {"only": "all", "priority": 3})

    assert (response.json()["questions"], response.json()["run"]["priority"]) == (2, 3)


def test_retry_says_why_there_is_nothing_to_do(api_client: APIClient) -> None:
    make_domain("never.com")
    end(ask(make_domain("done.com"), n_answered=2))
    models = (make_model(),)
    busy = make_run(domains=(make_domain("busy.com"),), versions=(make_prompt_version(),), models=models)

    errors = {name: api_client.post(f"{API}/domains/{name}.com/retry").json()["error"] for name in
              ("never", "done", "busy")}  # fmt: skip

    assert {name: error["code"] for name, error in errors.items()} == {
        "never": "never_asked", "done": "nothing_to_retry", "busy": "already_processing",
    }  # fmt: skip
    assert errors["busy"]["run"] == busy.pk


def test_mark_pending_makes_domains_due(api_client: APIClient) -> None:
    later = timezone.now() + timedelta(days=7)
    nike, adidas = make_domain("nike.com", due_at=later), make_domain("adidas.com", due_at=later)
    make_domain("puma.com", due_at=later, open_run=make_run())

    response = api_client.post(
        f"{API}/domains/mark-pending", {"domains": ["nike.com", str(adidas.pk), "puma.com"]}
    )

    assert (response.status_code, response.json()) == (200, {"updated": 2})
    assert names_of(api_client.get(f"{API}/domains?status=pending")) == [nike.name, adidas.name]


def test_archive_takes_domains_by_filter(api_client: APIClient) -> None:
    make_domain("nike.com", cohorts=(make_cohort(name="shoes"),))
    make_domain("adidas.com")

    response = api_client.post(f"{API}/domains/archive", {"filter": {"cohort": "shoes", "status": "pending"}})

    assert response.json() == {"updated": 1}
    assert names_of(api_client.get(f"{API}/domains?status=archived")) == ["nike.com"]


@pytest.mark.parametrize(
    ("body", "code", "field"),
    [
        ({}, "validation", None),
        ({"domains": ["nike.com"], "filter": {"cohort": "x"}}, "validation", None),
        ({"domains": []}, "validation", "domains"),
        ({"domains": "nike.com"}, "validation", "domains"),
        ({"domains": ["unknown.com"]}, "validation", "domains"),
        ({"domains": ["ni\x00ke.com"]}, "validation", "domains.0"),
        ({"domains": ["\ud800.com"]}, "validation", "domains.0"),
        ({"filter": {}}, "validation", "filter"),
        ({"filter": {"status": "done"}}, "validation", "filter.status"),
        ({"filter": {"colour": "red"}}, "unknown_field", "filter.colour"),
        ({"filter": {"search": "\ud800"}}, "validation", "filter.search"),
        ({"colour": "red"}, "unknown_field", "colour"),
    ],
)
@pytest.mark.parametrize("action", ["mark-pending", "archive"])
def test_choice_of_domains_that_is_none_is_refused(
    api_client: APIClient, action: str, body: dict[str, Any], code: str, field: str | None
) -> None:
    text = json.dumps(body)  # the client's own encoder cannot write half a surrogate pair
    error = api_client.post(f"{API}/domains/{action}", text, content_type="application/json").json()["error"]

    assert (error["code"], list(error.get("fields", {}))) == (code, [field] if field else [])


@pytest.mark.parametrize(
    ("method", "address", "scope"),
    [
        ("get", "domains", "read"),
        ("get", "domains/1", "read"),
        ("get", "domains/1/answers", "read"),
        ("post", "domains/1/retry", "process"),
        ("post", "domains/import", "process"),
        ("post", "domains/mark-pending", "process"),
        ("post", "domains/archive", "process"),
        ("get", "runs", "read"),
        ("post", "runs", "process"),
        ("get", "runs/1", "read"),
        ("get", "runs/1/questions", "read"),
        ("post", "runs/1/pause", "process"),
        ("post", "runs/1/resume", "process"),
        ("post", "runs/1/cancel", "process"),
        ("post", "runs/1/retry-failed", "process"),
        ("post", "process-pending-domains", "process"),
        ("post", "ultra-fast-process", "process"),
        ("get", "prompts", "read"),
        ("get", "models", "read"),
        ("get", "stats", "read"),
    ],
)
def test_every_address_needs_its_scope(
    client_for: Callable[..., APIClient], method: str, address: str, scope: str
) -> None:
    other = {"read": "process", "process": "read"}[scope]

    assert getattr(APIClient(), method)(f"{API}/{address}").status_code == 401
    assert getattr(client_for(other, name="other"), method)(f"{API}/{address}").status_code == 403
    assert getattr(client_for(scope, name="right"), method)(f"{API}/{address}").status_code not in (401, 403)
