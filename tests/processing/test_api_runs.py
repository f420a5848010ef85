"""`/runs`, `/prompts`, `/models` and `/stats` over HTTP."""

from datetime import timedelta
from typing import Any
from uuid import uuid4

import pytest
from django.utils import timezone
from rest_framework.test import APIClient

from processing.models import Question, Run, RunUsage
from tests.factories import (
    make_attempt,
    make_domain,
    make_key,
    make_model,
    make_prompt_version,
    make_provider,
    make_run,
)

pytestmark = pytest.mark.django_db
API = "/api/v2"


def make_asked_run(n_domains: int = 1, **values: Any) -> Run:
    """Make a run of one prompt and one model that could be asked."""
    model = make_model()
    make_key(provider=model.provider)
    domains = tuple(make_domain() for _ in range(n_domains))
    return make_run(domains=domains, versions=(make_prompt_version(),), models=(model,), **values)


def fail_all(run: Run) -> None:
    run.questions.update(status="failed", reason="timeout", finished_at=timezone.now())


def test_run_is_sent_as_documented(api_client: APIClient) -> None:
    run = make_asked_run(2, started_at=timezone.now())
    first = run.questions.earliest("id")
    Question.objects.filter(pk=first.pk).update(status="answered", answer=make_attempt(question=first))
    RunUsage.objects.create(run=run, model=first.model, drain=uuid4(), n_calls=1, cost_usd="0.0125")

    data = api_client.get(f"{API}/runs/{run.pk}").json()

    coverage = {
        "questions": 2,
        "answered": 1,
        "failed": 0,
        "declined": 0,
        "skipped": 0,
        "cancelled": 0,
        "open": 1,
    }
    (lane,) = data["lanes"]
    assert (data["status"], data["coverage"], lane["coverage"]) == ("running", coverage, coverage)
    assert (data["cost_usd"], data["cost_at_risk_usd"], data["budget_usd"]) == (
        "0.01250000",
        "0.00000000",
        None,
    )
    assert lane["model"] == f"{first.model.provider.name}:{first.model.name}"
    assert data["deadline_at"].endswith("Z")
    assert set(data) == {
        "id", "kind", "parent_run", "status", "status_reason", "pause_reason", "priority", "strategy", "selection",
        "excluded", "coverage", "lanes", "cost_usd", "cost_at_risk_usd", "unpriced_answers", "budget_usd",
        "created_by", "created_at", "started_at", "finished_at", "deadline_at", "eta_s",
    }  # fmt: skip


def test_runs_are_filtered_by_status_and_kind(api_client: APIClient) -> None:
    running, paused = make_asked_run(), make_asked_run(paused_at=timezone.now(), kind="staff")

    def ids(query: str) -> list[int]:
        return [row["id"] for row in api_client.get(f"{API}/runs?{query}").json()["results"]]

    assert ids("") == [paused.pk, running.pk]
    assert ids("status=running") == [running.pk]
    assert ids("status=paused,running&kind=staff") == [paused.pk]
    assert ids("created_by=nobody") == []


@pytest.mark.parametrize("rest", ["", "/questions"])
@pytest.mark.parametrize("pk", ["17", "9" * 30, "0"])
def test_unknown_run_is_not_found(api_client: APIClient, pk: str, rest: str) -> None:
    response = api_client.get(f"{API}/runs/{pk}{rest}")

    assert (response.status_code, response.json()["error"]["code"]) == (404, "not_found")


@pytest.mark.parametrize("action", ["pause", "resume", "cancel", "retry-failed"])
def test_action_on_an_unknown_run_is_not_found(api_client: APIClient, action: str) -> None:
    assert api_client.post(f"{API}/runs/17/{action}").status_code == 404


@pytest.mark.parametrize("action", ["pause", "resume", "cancel", "retry-failed"])
def test_action_refuses_other_fields(api_client: APIClient, action: str) -> None:
    response = api_client.post(f"{API}/runs/{make_asked_run().pk}/{action}", {"force": True})

    assert (response.status_code, response.json()["error"]["code"]) == (400, "unknown_field")


def test_run_of_chosen_domains_prompts_and_models(api_client: APIClient) -> None:
    make_domain("nike.com", due_at=timezone.now() + timedelta(days=7))
    make_domain("adidas.com")
    model, other = make_model(), make_model()
    make_key(provider=model.provider)
    make_key(provider=other.provider)
    version = make_prompt_version()
    make_prompt_version()
    body = {"domains": ["nike.com"], "prompts": [version.prompt.name], "models": [model.pk], "priority": 8}

    response = api_client.post(f"{API}/runs", body)

    data = response.json()
    assert (response.status_code, data["questions"], data["run"]["priority"]) == (202, 1, 8)
    assert response["Location"] == f"{API}/runs/{data['run']['id']}"
    (question,) = api_client.get(f"{API}/runs/{data['run']['id']}/questions").json()["results"]
    assert question["domain"] == "nike.com"
    assert (question["provider"], question["model"]) == (model.provider.name, model.name)
    assert (question["prompt"], question["prompt_version"]) == (version.prompt.name, 1)
    assert (question["status"], question["answer"], question["attempts"]) == ("waiting", None, 0)


def test_run_of_filtered_domains(api_client: APIClient) -> None:
    make_domain("nike.com", category="Sport")
    make_domain("bbc.co.uk", category="News")
    make_prompt_version()
    make_key(provider=make_model().provider)

    response = api_client.post(f"{API}/runs", {"filter": {"category": "Sport"}})

    assert response.json()["questions"] == 1


@pytest.mark.parametrize(
    ("body", "status", "code"),
    [
        ({}, 400, "validation"),
        ({"domains": ["unknown.com"]}, 400, "validation"),
        ({"domains": ["nike.com"], "prompts": ["unknown"]}, 400, "validation"),
        ({"domains": ["nike.com"], "models": ["unknown"]}, 400, "validation"),
        ({"domains": ["nike.com"], "providers": ["unknown"]}, 400, "validation"),
        ({"domains": ["nike.com"], "priority": 11}, 400, "validation"),
        ({"domains": ["nike.com"], "speed": 11}, 400, "unknown_field"),
        ({"filter": {"category": "None has it"}}, 400, "validation"),
        ({"domains": ["nike.com"]}, 409, "no_models"),
    ],
)
def test_run_that_cannot_be_made_says_why(
    api_client: APIClient, body: dict[str, Any], status: int, code: str
) -> None:
    make_domain("nike.com")
    make_prompt_version()
    model = make_model()
    if code != "no_models":
        make_key(provider=model.provider)

    response = api_client.post(f"{API}/runs", body)

    assert (response.status_code, response.json()["error"]["code"]) == (status, code)
    assert not Run.objects.exists()


def test_run_is_held_resumed_and_ended(api_client: APIClient) -> None:
    address = f"{API}/runs/{make_asked_run().pk}"

    paused = api_client.post(f"{address}/pause", {"reason": "too dear"}).json()
    resumed = api_client.post(f"{address}/resume").json()
    cancelled = api_client.post(f"{address}/cancel").json()

    assert (paused["status"], paused["pause_reason"], paused["status_reason"]) == (
        "paused",
        "too dear",
        "too dear",
    )
    assert (resumed["status"], resumed["pause_reason"]) == ("running", None)
    assert (cancelled["status"], cancelled["status_reason"]) == ("cancelled", "cancelled by client:tester")
    assert cancelled["coverage"]["cancelled"] == 1
    assert api_client.post(f"{address}/pause").json()["error"]["code"] == "wrong_state"


def test_retry_failed_opens_the_questions_again(api_client: APIClient) -> None:
    run = make_asked_run(2)
    fail_all(run)

    response = api_client.post(f"{API}/runs/{run.pk}/retry-failed")

    assert (response.status_code, response.json()["questions"]) == (202, 2)
    assert response.json()["run"]["coverage"]["open"] == 2


def test_questions_are_filtered(api_client: APIClient) -> None:
    run = make_asked_run(2)
    failed = run.questions.latest("id")
    run.questions.filter(pk=failed.pk).update(status="failed", reason="timeout")
    address = f"{API}/runs/{run.pk}/questions"

    for query in ("status=failed", "reason=timeout", f"domain={failed.domain.name}"):
        (row,) = api_client.get(f"{address}?{query}").json()["results"]
        assert (row["id"], row["reason"]) == (failed.pk, "timeout")
    error = api_client.get(f"{address}?status=lost").json()["error"]
    assert (error["code"], list(error["fields"])) == ("validation", ["status"])


def test_prompts_are_listed_with_their_current_version(api_client: APIClient) -> None:
    version = make_prompt_version(text="old {domain}")
    make_prompt_version(prompt=version.prompt, text="new {domain}")

    (row,) = api_client.get(f"{API}/prompts?is_default=true").json()["results"]

    assert (row["name"], row["current_version"]["number"]) == (version.prompt.name, 2)
    assert row["current_version"]["text"] == "new {domain}"


def test_models_are_listed_with_what_blocks_them(api_client: APIClient) -> None:
    usable, blocked = make_model(), make_model(provider=make_provider(name="keyless"))
    make_key(provider=usable.provider)

    rows = {row["id"]: row["blocked_by"] for row in api_client.get(f"{API}/models").json()["results"]}

    assert rows[usable.pk] is None
    assert rows[blocked.pk]
    (row,) = api_client.get(f"{API}/models?provider=keyless&state=active").json()["results"]
    assert row["model"] == blocked.name


def test_stats_counts_domains_and_runs(api_client: APIClient) -> None:
    make_asked_run(2)
    make_domain()

    data = api_client.get(f"{API}/stats").json()

    assert data["domains"] == {
        "total": 3, "pending": 1, "processing": 2, "completed": 0, "partial": 0, "failed": 0, "archived": 0,
    }  # fmt: skip
    assert (data["queue"]["waiting"], data["queue"]["in_flight"], data["runs"]["running"]) == (2, 0, 1)
    assert data["timestamp"].endswith("Z")


@pytest.mark.parametrize("address", ["domains", "runs", "prompts", "models", "stats"])
def test_pages_can_be_browsed_by_staff(superuser_client: Any, address: str) -> None:
    response = superuser_client.get(f"{API}/{address}", headers={"Accept": "text/html"})

    assert (response.status_code, response["Content-Type"]) == (200, "text/html; charset=utf-8")
