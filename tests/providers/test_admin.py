"""The admin pages of this app: they open, cost the same for one row and many, and never show a secret."""

import json
from collections.abc import Callable
from datetime import UTC, datetime
from typing import Any
from uuid import uuid4

import pytest
from django.contrib.auth.models import Permission, User
from django.db import connection
from django.test import Client
from django.test.utils import CaptureQueriesContext
from django.urls import reverse

from providers.catalogue import catalogue_load
from providers.models import ApiKey, KeyEvent, LanguageModel, Limit, LimitPool, Provider, UsageBucket
from providers.rules.secret import Secret
from providers.secrets import secret_of
from providers.services import key_create, key_note
from providers.usage import UsageRow, usage_add
from tests.factories import make_key, make_limit, make_model, make_pool, make_provider
from tests.providers.http_server import http_answer, raw_server

pytestmark = pytest.mark.django_db
PLAIN = "sk-planted-0123456789"
ROLLING = {"resets": "rolling", "reset_zone": "UTC", "counted_at": "admission"}
PAGES = ("provider", "limitpool", "languagemodel", "apikey", "keyevent", "usagebucket")


def address(page: str, kind: str = "changelist", *args: Any) -> str:
    """Return an admin address of this app."""
    return reverse(f"admin:providers_{page}_{kind}", args=args)


def make_everything() -> ApiKey:
    """Make a row of every kind, all of a provider of its own."""
    model = make_model()
    key = key_create(provider=model.provider, secret=Secret(PLAIN), label="main", actor="ann")
    make_limit(pool=key.pool)
    key_note(key_id=key.pk, outcome="key_invalid", message="refused", actor="drain")
    at = datetime(2026, 11, 24, 12, 0, tzinfo=UTC)
    usage_add([UsageRow(at, uuid4(), model.provider_id, model.pk, key.pk, "answered", 2, latency_ms_sum=10)])
    return key


def n_queries(client: Client, url: str) -> int:
    """Open a page and count its queries."""
    with CaptureQueriesContext(connection) as queries:
        assert client.get(url).status_code == 200
    return len(queries)


def act(client: Client, page: str, action: str, *rows: Any) -> str:
    """Run a list action and return the page that follows."""
    data = {"action": action, "_selected_action": [row.pk for row in rows]}
    return client.post(address(page), data, follow=True).content.decode()


@pytest.fixture
def viewer_client(staff_user: User) -> Client:
    """A browser logged in as staff who may look at everything here and change nothing."""
    staff_user.user_permissions.set(
        Permission.objects.filter(codename__startswith="view_", content_type__app_label="providers")
    )
    client = Client()
    client.force_login(staff_user)
    return client


@pytest.mark.parametrize("page", PAGES)
def test_list_costs_the_same_for_one_row_and_three(superuser_client: Client, page: str) -> None:
    make_everything()
    superuser_client.get(address(page))  # warms what is made once per process
    one = n_queries(superuser_client, address(page))
    make_everything()
    make_everything()

    assert n_queries(superuser_client, address(page)) == one


@pytest.mark.parametrize("row_class", [Provider, LimitPool, LanguageModel, ApiKey, KeyEvent, UsageBucket])
def test_every_page_opens_without_a_secret(
    superuser_client: Client, viewer_client: Client, row_class: Any
) -> None:
    key = make_everything()
    page = row_class._meta.model_name
    urls = [address(page), address(page, "change", row_class.objects.latest("pk").pk)]
    if page in ("provider", "limitpool", "languagemodel", "apikey"):
        urls.append(address(page, "add"))

    for url in urls:
        response = superuser_client.get(url)
        assert response.status_code == 200, url
        for hidden in (PLAIN, key.ciphertext, key.fingerprint):
            assert hidden not in response.content.decode()
    assert viewer_client.get(urls[0]).status_code == 200
    assert viewer_client.get(urls[1]).status_code == 200


@pytest.mark.parametrize("page", PAGES)
def test_filters_and_search_open(superuser_client: Client, page: str) -> None:
    make_everything()

    for query in ("?q=main", "?provider__id__exact=1", "?outcome=answered", "?state__exact=invalid"):
        assert superuser_client.get(address(page) + query).status_code in (200, 302)


@pytest.mark.parametrize("url", ["keyevent", "usagebucket"])
def test_records_are_read_only(superuser_client: Client, url: str) -> None:
    make_everything()

    assert superuser_client.get(address(url, "add")).status_code == 403


def add_key(client: Client, provider: Provider, **values: Any) -> Any:
    """Send the form that adds a key."""
    data = {"provider": provider.pk, "label": "main", "secret": PLAIN, "pool": "", **values}
    return client.post(address("apikey", "add"), data, follow=True)


def test_add_key(superuser_client: Client) -> None:
    provider = make_provider()

    page = add_key(superuser_client, provider).content.decode()

    key = ApiKey.objects.get()
    assert (key.provider, key.label, key.pool.name, secret_of(key)) == (
        provider,
        "main",
        "default",
        Secret(PLAIN),
    )
    assert key.events.get().actor == "root"
    assert "was added successfully" in page
    assert PLAIN not in page


def test_add_and_test_key(superuser_client: Client) -> None:
    check = {"method": "GET", "path": "/models", "ok": [200], "bad_key": [401]}
    with raw_server(http_answer(b"{}", status="401 Unauthorized")) as server:
        page = add_key(superuser_client, make_provider(base_url=server.url, key_check=check), test_now="on")

    assert ApiKey.objects.get().state == "invalid"
    assert "HTTP 401" in page.content.decode()


@pytest.mark.parametrize(
    ("values", "message"),
    [
        ({"secret": ""}, "Enter the key."),
        ({"secret": "two words"}, "A key has no spaces"),
        ({}, "has the same key already"),
    ],
)
def test_add_key_refused_in_the_form(superuser_client: Client, values: dict[str, str], message: str) -> None:
    provider = make_provider()
    key_create(provider=provider, secret=Secret(PLAIN), actor="ann")

    response = add_key(superuser_client, provider, **values)

    assert message in response.content.decode()
    assert PLAIN not in response.content.decode()
    assert ApiKey.objects.count() == 1


def test_pool_of_another_provider_is_refused_in_the_form(superuser_client: Client) -> None:
    response = add_key(superuser_client, make_provider(), pool=make_pool().pk)

    assert "belongs to another provider" in response.content.decode()


def test_blank_secret_keeps_the_key(superuser_client: Client) -> None:
    key = key_create(provider=make_provider(), secret=Secret(PLAIN), label="old", actor="ann")

    superuser_client.post(
        address("apikey", "change", key.pk), {"label": "new", "pool": key.pool_id, "secret": ""}
    )

    key.refresh_from_db()
    assert (key.label, secret_of(key)) == ("new", Secret(PLAIN))


def test_new_secret_replaces_the_key(superuser_client: Client) -> None:
    key = key_create(provider=make_provider(), secret=Secret(PLAIN), actor="ann")
    key_note(key_id=key.pk, outcome="key_invalid", message="refused", actor="drain")

    data = {"label": "new", "pool": key.pool_id, "secret": "sk-second-9876543210"}
    page = superuser_client.post(address("apikey", "change", key.pk), data, follow=True).content.decode()

    key.refresh_from_db()
    assert (key.state, key.last4, secret_of(key)) == ("active", "3210", Secret("sk-second-9876543210"))
    assert "sk-second" not in page


def test_environment_key_is_read_only(superuser_client: Client) -> None:
    key = make_key(source="environment", environment_name="ACME_API_KEY", label="ACME_API_KEY")

    page = superuser_client.get(address("apikey", "change", key.pk)).content.decode()
    superuser_client.post(address("apikey", "change", key.pk), {"label": "new", "secret": PLAIN})

    key.refresh_from_db()
    assert (key.label, key.ciphertext) == ("ACME_API_KEY", "")
    assert 'type="password"' not in page
    assert superuser_client.post(address("apikey", "delete", key.pk), {"post": "yes"}).status_code == 403


def test_secret_stands_in_no_log_entry(superuser_client: Client) -> None:
    from django.contrib.admin.models import LogEntry

    add_key(superuser_client, make_provider())

    assert LogEntry.objects.count() == 1
    assert PLAIN not in json.dumps(list(LogEntry.objects.values("object_repr", "change_message")))


def test_key_actions(superuser_client: Client) -> None:
    key = make_everything()

    steps = []
    for action in ("enable", "disable", "enable"):
        act(superuser_client, "apikey", action, key)
        key.refresh_from_db()
        steps.append(key.state)

    assert steps == ["active", "disabled", "active"]
    assert "no call that proves a key" in act(superuser_client, "apikey", "test_keys", key)


def test_enable_of_an_unreadable_key_is_a_message(superuser_client: Client, settings: Any) -> None:
    key = make_everything()
    settings.FIELD_ENCRYPTION_KEYS = {"other": b"3" * 32}

    assert "Enter the key again" in act(superuser_client, "apikey", "enable", key)


@pytest.mark.parametrize(
    ("page", "action", "row_class", "field"),
    [
        ("apikey", "disable", ApiKey, "state"),
        ("apikey", "enable", ApiKey, "state"),
        ("apikey", "test_keys", ApiKey, "state"),
        ("languagemodel", "pause", LanguageModel, "lane"),
        ("provider", "turn_off", Provider, "is_enabled"),
        ("limitpool", "rest_end", LimitPool, "resting_until"),
    ],
)
def test_viewer_can_run_no_action(
    viewer_client: Client, page: str, action: str, row_class: Any, field: str
) -> None:
    make_everything()
    row = row_class.objects.get()
    before = getattr(row, field)

    act(viewer_client, page, action, row)

    row.refresh_from_db()
    assert getattr(row, field) == before


def test_staff_without_permission_sees_nothing(staff_client: Client) -> None:
    assert {staff_client.get(address(page)).status_code for page in PAGES} == {403}


def test_lane_actions(superuser_client: Client) -> None:
    model = make_model(refused_fields=["top_p"])

    states = []
    for action in ("pause", "activate", "refusals_forgotten"):
        act(superuser_client, "languagemodel", action, model)
        model.refresh_from_db()
        states.append((model.lane, model.refused_fields))

    assert states == [("paused", ["top_p"]), ("active", ["top_p"]), ("active", [])]


@pytest.mark.parametrize(
    ("prepare", "state"),
    [
        (lambda _provider: None, "no usable key"),
        (lambda provider: make_key(provider=provider), "no model to ask"),
        (lambda provider: (make_key(provider=provider), make_model(provider=provider)), "never worked"),
        (lambda _provider: Provider.objects.update(is_enabled=False), "off"),
        (lambda _provider: Provider.objects.update(protocol="telegraph"), "not supported yet"),
    ],
)
def test_provider_state_at_a_glance(
    superuser_client: Client, prepare: Callable[[Provider], object], state: str
) -> None:
    prepare(make_provider())

    assert f">{state}</span>" in superuser_client.get(address("provider")).content.decode()


def test_provider_answers_now_only_after_it_did(superuser_client: Client) -> None:
    model = make_model()
    key = make_key(provider=model.provider)
    key_note(key_id=key.pk, outcome="answered", message="", actor="drain")

    assert ">answers now</span>" in superuser_client.get(address("provider")).content.decode()


def test_only_superusers_may_change_where_keys_are_sent(staff_user: User, staff_client: Client) -> None:
    staff_user.user_permissions.set(Permission.objects.filter(content_type__app_label="providers"))
    provider = make_provider()

    page = staff_client.get(address("provider", "change", provider.pk)).content.decode()

    assert 'name="label"' in page
    assert 'name="base_url"' not in page


@pytest.mark.parametrize(
    ("base_url", "is_taken"),
    [
        ("https://llm.example.com/v1", True),
        ("http://localhost:8080", True),
        ("https://a:b@host.example/v1", False),
        ("ftp://x.example", False),
    ],
)
def test_new_provider_needs_only_an_address(superuser_client: Client, base_url: str, is_taken: bool) -> None:
    values = {
        "name": "mine", "label": "Mine", "is_enabled": "on", "service": "live", "protocol": "openai_chat",
        "base_url": base_url, "chat_path": "/chat/completions", "auth_style": "bearer",
        "output_cap_field": "max_tokens", "extra_body": "{}",
        "extra_headers": "{}", "quirks": "{}", "key_check": "{}",
    }  # fmt: skip

    superuser_client.post(
        address("provider", "add"), {**values, **inline_forms("language_models", "pools", "keys")}
    )

    assert list(Provider.objects.values_list("base_url", flat=True)) == ([base_url] if is_taken else [])


def inline_forms(*names: str) -> dict[str, int]:
    """Return what a page with empty inlines sends along."""
    return {f"{name}-{kind}_FORMS": 0 for name in names for kind in ("TOTAL", "INITIAL")}


def test_limit_that_staff_change_is_theirs(superuser_client: Client) -> None:
    catalogue_load()
    pool = LimitPool.objects.get(provider__name="groq")
    limits = list(pool.limits.order_by("pk"))
    data: dict[str, Any] = {"name": pool.name, "limits-TOTAL_FORMS": 2, "limits-INITIAL_FORMS": 2}
    for number, limit in enumerate(limits):
        amount = 900 if limit.what == "requests" else limit.amount
        values = {
            "id": limit.pk,
            "pool": pool.pk,
            "what": limit.what,
            "amount": amount,
            "per_s": limit.per_s,
            "model": "",
            **ROLLING,
        }
        data |= {f"limits-{number}-{name}": value for name, value in values.items()}

    response = superuser_client.post(address("limitpool", "change", pool.pk), data)

    assert response.status_code == 302, response.content.decode()
    assert set(pool.limits.values_list("what", "amount", "source")) == {
        ("requests", 900, "staff"),
        ("in_flight", 256, "catalogue"),
    }


def test_limit_without_a_window_is_explained(superuser_client: Client) -> None:
    pool = make_pool()
    data = {
        "name": pool.name, "limits-TOTAL_FORMS": 1, "limits-INITIAL_FORMS": 0, "limits-0-pool": pool.pk,
        "limits-0-what": "requests", "limits-0-amount": 5, "limits-0-per_s": 0, "limits-0-model": "",
    }  # fmt: skip

    response = superuser_client.post(address("limitpool", "change", pool.pk), data)

    assert "Give the window in seconds" in response.content.decode()
    assert Limit.objects.count() == 0


def test_new_pool_takes_over_the_default_limits(superuser_client: Client) -> None:
    catalogue_load()
    groq = Provider.objects.get(name="groq")
    data = {"provider": groq.pk, "name": "second", "limits-TOTAL_FORMS": 0, "limits-INITIAL_FORMS": 0}

    superuser_client.post(address("limitpool", "add"), data)

    pool = LimitPool.objects.get(name="second")
    assert set(pool.limits.values_list("what", "amount", "source")) == {
        ("requests", 30, "staff"),
        ("in_flight", 256, "staff"),
    }
