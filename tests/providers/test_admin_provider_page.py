"""The page of one provider: what it says at a glance, and its buttons for those who may press them."""

import uuid
from datetime import timedelta
from decimal import Decimal
from typing import Any

import pytest
from django.contrib.auth.models import Permission, User
from django.db import connection
from django.test import Client
from django.test.utils import CaptureQueriesContext
from django.urls import reverse
from django.utils import timezone

from providers.latencies import Latency, latencies_add
from providers.models import ApiKey, KeyModelPause, LanguageModel, LearnedLimit, Provider
from providers.rules.secret import Secret
from providers.services import key_create
from providers.usage import UsageRow, usage_add
from tests.factories import make_key, make_limit, make_model, make_pool, make_provider
from tests.providers.http_server import http_answer, raw_server

PLAIN = "sk-planted-0123456789"
CHECK = {"method": "GET", "path": "/models", "ok": [200], "bad_key": [401]}
pytestmark = pytest.mark.django_db


def make_page(**values: Any) -> tuple[Provider, LanguageModel, ApiKey]:
    """Make a provider with a model, a key, limits of both kinds and an hour of calls."""
    model = make_model(provider=make_provider(**values))
    key = key_create(provider=model.provider, secret=Secret(PLAIN), label="main", actor="ann")
    make_limit(pool=key.pool)
    facts: dict[str, Any] = {"pool": key.pool, "model": model, "what": "requests", "per_s": 60}
    LearnedLimit.objects.create(**facts, amount=40, remaining=7, seen_at=timezone.now())
    at = timezone.now().replace(second=0, microsecond=0) - timedelta(minutes=1)
    for outcome, n in (("answered", 9), ("timeout", 1)):
        row = UsageRow(
            at, uuid.uuid4(), model.provider_id, model.pk, key.pk, outcome, n, cost_usd=Decimal("0.00001")
        )
        usage_add([row])
    latencies_add(uuid.uuid4(), [Latency(model.provider_id, model.pk, key.pk, 1000)] * 9, at=at)
    return model.provider, model, key


def page_of(client: Client, provider: Provider) -> str:
    response = client.get(reverse("admin:providers_provider_change", args=[provider.pk]))
    assert response.status_code == 200
    return response.content.decode()


def press(client: Client, provider: Provider, kind: str, row: Any, verb: str) -> Any:
    """Press a button and return the page that follows."""
    url = reverse("admin:providers_provider_verb", args=[provider.pk, kind, row.pk, verb])
    return client.post(url, follow=True)


@pytest.fixture
def staff_with(staff_user: User, staff_client: Client) -> Any:
    """Give the staff user exactly these permissions."""

    def give(*codenames: str) -> Client:
        staff_user.user_permissions.set(Permission.objects.filter(codename__in=codenames))
        return staff_client

    return give


def test_page_says_at_a_glance(superuser_client: Client) -> None:
    provider, model, key = make_page()
    make_key(provider=provider, pool=make_pool(provider=provider, name="second"))
    KeyModelPause.objects.create(
        key=key, model=model, reason="HTTP 403.", until=timezone.now() + timedelta(hours=1)
    )

    page = page_of(superuser_client, provider)

    for words in (
        "2 keys, 2 pools", "never worked", "60 requests per 60 s", "10 used, 17%", "7 left", "learned", "10.0 %",
        "1.0 s", "&lt;$0.0001", f"Not for {model.name}: HTTP 403.", "entered (ann)", "Pause lane", "Drain key",
    ):  # fmt: skip
        assert words in page, words
    assert PLAIN not in page


def test_page_of_a_provider_without_anything_opens(superuser_client: Client) -> None:
    page = page_of(superuser_client, make_provider(env_prefix="ACME"))

    assert "set <code>ACME_API_KEY</code>" in page
    assert "no usable key" in page


def test_page_costs_the_same_with_more_rows(superuser_client: Client) -> None:
    provider, *_ = make_page()
    page_of(superuser_client, provider)

    def n_queries() -> int:
        with CaptureQueriesContext(connection) as captured:
            page_of(superuser_client, provider)
        return len(captured)

    with_one = n_queries()
    for number in range(2):
        other = make_model(provider=provider)
        pool = make_pool(provider=provider, name=f"pool {number}")
        make_limit(pool=pool, model=other)
        KeyModelPause.objects.create(
            key=make_key(pool=pool), model=other, reason="403", until=timezone.now() + timedelta(hours=1)
        )

    assert n_queries() == with_one


def test_lane_is_paused_and_activated(superuser_client: Client) -> None:
    provider, model, _key = make_page()

    states = []
    for verb in ("pause", "activate"):
        press(superuser_client, provider, "model", model, verb)
        model.refresh_from_db()
        states.append((model.lane, model.lane_reason))

    assert states == [("paused", "paused by staff (root)"), ("active", "")]


def test_key_is_drained_and_enabled(superuser_client: Client) -> None:
    provider, _model, key = make_page()

    page = press(superuser_client, provider, "key", key, "drain").content.decode()
    key.refresh_from_db()
    drained = (key.state, key.state_reason)
    press(superuser_client, provider, "key", key, "enable")
    key.refresh_from_db()

    assert drained == ("disabled", "drained by root")
    assert "gets no new calls; those in flight finish" in page
    assert key.state == "active"


def test_key_is_tested(superuser_client: Client) -> None:
    with raw_server(http_answer(b"{}", status="401 Unauthorized")) as server:
        provider, _model, key = make_page(base_url=server.url, key_check=CHECK)
        page = press(superuser_client, provider, "key", key, "test").content.decode()

    key.refresh_from_db()
    assert key.state == "invalid"
    assert "HTTP 401" in page


def test_key_without_a_test_call_is_a_message(superuser_client: Client) -> None:
    provider, _model, key = make_page()

    assert (
        "no call that proves a key" in press(superuser_client, provider, "key", key, "test").content.decode()
    )


@pytest.mark.parametrize(
    ("permissions", "kind", "verb", "status"),
    [
        (("view_provider",), "key", "drain", 403),
        (("view_provider", "view_apikey", "view_languagemodel"), "model", "pause", 403),
        (("view_provider", "change_languagemodel"), "key", "test", 403),
        (("view_provider", "change_apikey"), "model", "pause", 403),
        (("change_apikey",), "key", "drain", 403),  # may not see the provider
        (("view_provider", "change_apikey"), "key", "drain", 200),
        (("view_provider", "change_languagemodel"), "model", "pause", 200),
        (("view_provider", "change_apikey"), "key", "explode", 403),
        (("view_provider", "change_apikey"), "planet", "drain", 403),
    ],
)
def test_buttons_are_for_those_who_may(
    staff_with: Any, permissions: tuple[str, ...], kind: str, verb: str, status: int
) -> None:
    provider, model, key = make_page()
    client = staff_with(*permissions)

    response = press(client, provider, kind, model if kind == "model" else key, verb)

    model.refresh_from_db()
    key.refresh_from_db()
    assert response.status_code == status
    assert ((model.lane, key.state) == ("active", "active")) == (status == 403)


def test_viewer_sees_no_buttons(staff_with: Any) -> None:
    provider, _model, _key = make_page()

    page = page_of(staff_with("view_provider"), provider)

    assert "1 key, 1 pool" in page
    for words in ("Drain key", "Pause lane", "Test key", "Add a key", 'name="_save"'):
        assert words not in page


def test_button_reaches_no_key_of_another_provider(superuser_client: Client) -> None:
    provider, _model, _key = make_page()
    foreign = make_key()

    response = press(superuser_client, provider, "key", foreign, "drain")

    foreign.refresh_from_db()
    assert (response.status_code, foreign.state) == (404, "active")


def test_buttons_take_no_get(superuser_client: Client) -> None:
    provider, _model, key = make_page()

    assert superuser_client.get(
        reverse("admin:providers_provider_verb", args=[provider.pk, "key", key.pk, "drain"])
    ).status_code == 405  # fmt: skip
