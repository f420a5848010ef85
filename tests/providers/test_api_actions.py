"""`/providers`, `/models` and the verbs on keys and models: who may, what follows, and that nothing is ignored."""

import uuid
from collections.abc import Callable
from typing import Any

import pytest
from django.contrib.auth.models import Permission, User
from django.db import connection
from django.test import Client
from django.test.utils import CaptureQueriesContext
from django.utils import timezone
from rest_framework.test import APIClient

from providers.models import ApiKey, LearnedLimit
from providers.rules.secret import Secret
from providers.services import key_create
from tests.factories import make_key, make_limit, make_model, make_pool, make_provider
from tests.providers.http_server import http_answer, raw_server

API = "/api/v2"
PLAIN = "sk-planted-0123456789"
pytestmark = pytest.mark.django_db


def make_full(name: str = "acme", **values: Any) -> ApiKey:
    """Make a provider with a model, limits and a key."""
    model = make_model(provider=make_provider(name, **values))
    key = key_create(provider=model.provider, secret=Secret(PLAIN), label="main", actor="ann")
    make_limit(pool=key.pool)
    LearnedLimit.objects.create(
        pool=key.pool, model=model, what="requests", per_s=60, amount=40, seen_at=timezone.now()
    )
    return key


def test_providers_by_name(client_for: Callable[..., APIClient]) -> None:
    make_full("beta")
    make_provider("alpha", is_enabled=False)

    rows = client_for("read").get(f"{API}/providers").json()["results"]

    names = ("name", "state", "keys", "usable_keys", "pools", "models_askable", "models_total", "last_ok_at")
    assert [tuple(row[name] for name in names) for row in rows] == [
        ("alpha", "off", 0, 0, 0, 0, 0, None),
        ("beta", "never worked", 1, 1, 1, 1, 1, None),
    ]


def test_provider_shows_keys_and_limits_to_those_who_operate(client_for: Callable[..., APIClient]) -> None:
    key = make_full()

    reader = client_for("read").get(f"{API}/providers/acme").json()
    operator = client_for("read", "operate", name="op").get(f"{API}/providers/acme").json()

    assert "limit_pools" not in reader
    assert [model["blocked_by"] for model in reader["models"]] == [None]
    (pool,) = operator["limit_pools"]
    assert [one["id"] for one in pool["keys"]] == [key.pk]
    assert [(one["amount"], one["per_s"]) for one in pool["limits"]] == [(60, 60)]
    assert [(one["amount"], one["remaining"]) for one in pool["learned_limits"]] == [(40, None)]


@pytest.mark.parametrize("name", ["nobody", "%00"])
def test_unknown_provider(api_client: APIClient, name: str) -> None:
    response = api_client.get(f"{API}/providers/{name}")

    assert (response.status_code, response.json()["error"]["code"]) == (404, "not_found")


@pytest.mark.parametrize("address", ["providers", "providers/first", "models"])
def test_queries_do_not_grow(api_client: APIClient, address: str) -> None:
    def n_queries() -> int:
        with CaptureQueriesContext(connection) as captured:
            assert api_client.get(f"{API}/{address}").status_code == 200
        return len(captured)

    make_full("first")
    n_queries()  # notes when the client key was used
    with_one = n_queries()
    for _ in range(2):
        make_full(f"p{uuid.uuid4().hex[:8]}")
        make_key(provider=make_model(provider=make_pool().provider).provider)

    assert n_queries() == with_one


@pytest.mark.parametrize(
    ("query", "n"),
    [
        ("", 2),
        ("provider=acme", 1),
        ("tier=slow", 1),
        ("is_default=true", 1),
        ("lane=paused", 1),
        ("state=paused", 1),
    ],
)
def test_models_are_filtered(api_client: APIClient, query: str, n: int) -> None:
    make_model(provider=make_provider("acme"))
    make_model(tier="slow", is_default=False, lane="paused")

    assert len(api_client.get(f"{API}/models?{query}").json()["results"]) == n


@pytest.mark.parametrize("query", ["tier=huge", "lane=left"])
def test_models_filters_are_checked(api_client: APIClient, query: str) -> None:
    assert api_client.get(f"{API}/models?{query}").status_code == 400


def test_model_is_paused_and_activated(client_for: Callable[..., APIClient]) -> None:
    model, client = make_model(), client_for("operate")

    paused = client.post(f"{API}/models/{model.pk}/pause", {"reason": "too dear"}, format="json").json()
    active = client.post(f"{API}/models/{model.pk}/activate").json()

    assert (paused["state"], paused["state_reason"]) == ("paused", "too dear (client:tester)")
    assert (active["state"], active["state_reason"]) == ("active", "")


def test_key_is_disabled_and_enabled(client_for: Callable[..., APIClient]) -> None:
    key, client = make_full(), client_for("operate")

    disabled = client.post(f"{API}/api-keys/{key.pk}/disable", {"reason": "leaked"}, format="json").json()
    enabled = client.post(f"{API}/api-keys/{key.pk}/enable").json()

    assert (disabled["state"], disabled["state_reason"], enabled["state"]) == ("disabled", "leaked", "active")
    events = list(key.events.values_list("to_state", "actor"))
    assert events[:2] == [("active", "client:tester"), ("disabled", "client:tester")]


def test_key_is_tested(client_for: Callable[..., APIClient]) -> None:
    check = {"method": "GET", "path": "/models", "ok": [200], "bad_key": [401]}
    body = f'{{"error": {{"message": "Incorrect API key provided: {PLAIN}"}}}}'.encode()
    with raw_server(http_answer(body, status="401 Unauthorized")) as server:
        key = make_full(base_url=server.url, key_check=check)
        response = client_for("operate").post(f"{API}/api-keys/{key.pk}/test")

    data = response.json()
    assert (data["is_ok"], data["http_status"], data["key"]["state"]) == (False, 401, "invalid")
    assert PLAIN not in response.content.decode()


def test_key_without_a_test_call_is_409(client_for: Callable[..., APIClient]) -> None:
    response = client_for("operate").post(f"{API}/api-keys/{make_full().pk}/test")

    assert (response.status_code, response.json()["error"]["code"]) == (409, "wrong_state")


VERBS = (
    "api-keys/{}/test",
    "api-keys/{}/disable",
    "api-keys/{}/enable",
    "models/{}/pause",
    "models/{}/activate",
)


@pytest.mark.parametrize("verb", VERBS)
def test_verbs_refuse_what_they_do_not_know(client_for: Callable[..., APIClient], verb: str) -> None:
    key, client = make_full(), client_for("operate")
    pk = key.pk if "keys" in verb else key.provider.language_models.get().pk

    bodied = client.post(f"{API}/{verb.format(pk)}", {"oops": 1}, format="json")
    queried = client.post(f"{API}/{verb.format(pk)}?oops=1")

    assert [(one.status_code, one.json()["error"]["code"]) for one in (bodied, queried)] == [
        (400, "unknown_field")
    ] * 2
    for missing in (0, 2**63):
        assert client.post(f"{API}/{verb.format(missing)}").status_code == 404
    assert client.get(f"{API}/{verb.format(pk)}").status_code == 405
    assert client_for("read", "process", name="other").post(f"{API}/{verb.format(pk)}").status_code == 403
    assert APIClient().post(f"{API}/{verb.format(pk)}").status_code == 401


@pytest.mark.parametrize(
    ("codename", "statuses"),
    [("view_apikey", (403, 403)), ("change_apikey", (403, 200)), ("change_languagemodel", (403, 403))],
)
def test_staff_need_the_permission_of_what_they_change(
    staff_user: User, codename: str, statuses: tuple[int, int]
) -> None:
    key = make_full()
    staff_user.user_permissions.set(Permission.objects.filter(codename=codename))
    client = Client()
    client.force_login(staff_user)

    model_id = key.provider.language_models.get().pk
    verbs = (f"models/{model_id}/pause", f"api-keys/{key.pk}/disable")
    answers = [client.post(f"{API}/{verb}", content_type="application/json") for verb in verbs]

    assert tuple(answer.status_code for answer in answers) == statuses
