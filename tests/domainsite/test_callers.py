"""Who may call: client keys, staff sessions, scopes; and which query parameters they may send."""

import hashlib
from collections.abc import Callable
from datetime import datetime, timedelta
from typing import Any

import pytest
import time_machine
from django.contrib.auth.models import Permission, User
from django.core.exceptions import ValidationError
from django.test import Client
from django.utils import timezone
from rest_framework.test import APIClient

from domainsite.models import ClientKey
from domainsite.services import client_key_create, client_key_revoke

pytestmark = [pytest.mark.django_db, pytest.mark.urls("tests.domainsite.probe_urls")]

ECHO = "/api/v2/echo"


def client_with(text: str) -> APIClient:
    client = APIClient()
    client.credentials(HTTP_AUTHORIZATION=text)
    return client


def error_of(answer: Any) -> tuple[int, str]:
    return answer.status_code, answer.json()["error"]["code"]


def test_client_key_names_its_actor(api_client: APIClient) -> None:
    assert api_client.get(ECHO).json() == {"actor": "client:tester", "operates": True}


def test_client_key_is_stored_hashed() -> None:
    key, text = client_key_create(name="shop", scopes=["read"], actor="root")

    prefix, secret = text.split(".")
    assert (key.prefix, key.secret_sha256) == (prefix, hashlib.sha256(secret.encode()).hexdigest())
    assert secret not in str(ClientKey.objects.values().get())


@pytest.mark.parametrize(
    "text", ["", "Api-Key", "Api-Key x", "Api-Key deadbeef.secret", "Bearer x", "Api-Key ü.ü"]
)
def test_unknown_key_is_401_with_the_scheme(text: str) -> None:
    answer = client_with(text).get(ECHO)

    assert error_of(answer) == (401, "not_authenticated")
    assert answer["WWW-Authenticate"] == 'Api-Key realm="api"'


def test_key_with_the_secret_of_another_is_refused() -> None:
    first, second = (client_key_create(name=name, scopes=["read"], actor="root")[1] for name in ("a", "b"))
    mixed = first.split(".")[0] + "." + second.split(".")[1]

    assert error_of(client_with(f"Api-Key {mixed}").get(ECHO)) == (401, "not_authenticated")


def test_revoked_and_expired_keys_say_so(client_for: Callable[..., APIClient]) -> None:
    revoked, expired = client_for("read", name="revoked"), client_for("read", name="expired")
    client_key_revoke(name="revoked")
    ClientKey.objects.filter(name="expired").update(expires_at=timezone.now() - timedelta(seconds=1))

    assert error_of(revoked.get(ECHO)) == (401, "key_revoked")
    assert error_of(expired.get(ECHO)) == (401, "key_expired")


def test_last_use_is_written_once_a_minute(api_client: APIClient) -> None:
    def last_used_after(seconds: int) -> datetime | None:
        with time_machine.travel(start + timedelta(seconds=seconds), tick=False):
            api_client.get(ECHO)
        return ClientKey.objects.get().last_used_at

    start = timezone.now()

    assert last_used_after(0) == last_used_after(59) == start
    assert last_used_after(60) == start + timedelta(seconds=60)


def test_missing_scope_is_403_and_named(client_for: Callable[..., APIClient]) -> None:
    answer = client_for("read").post(ECHO, {})

    assert error_of(answer) == (403, "scope_missing")
    assert answer.json()["error"]["message"] == "This needs the scope `process`."


def test_view_that_declares_nothing_needs_the_strictest_scope(client_for: Callable[..., APIClient]) -> None:
    assert client_for("read", "process", "operate", name="a").get("/api/v2/undeclared").status_code == 403
    assert client_for("manage", name="b").get("/api/v2/undeclared").status_code == 200


def test_staff_read_and_change_what_django_lets_them(staff_client: Client, staff_user: User) -> None:
    assert staff_client.get(ECHO).json() == {"actor": "staff", "operates": False}
    assert staff_client.post(ECHO, {}, content_type="application/json").status_code == 403

    staff_user.user_permissions.add(Permission.objects.get(codename="change_run"))

    assert staff_client.post(ECHO, {}, content_type="application/json").status_code == 200


def test_staff_session_needs_the_csrf_token(superuser: User) -> None:
    client = Client(enforce_csrf_checks=True)
    client.force_login(superuser)

    assert error_of(client.post(ECHO, {}, content_type="application/json")) == (403, "csrf_failed")


def test_session_of_others_counts_as_nobody() -> None:
    client = Client()
    client.force_login(User.objects.create_user("visitor", password="x"))

    assert error_of(client.get(ECHO)) == (401, "not_authenticated")


@pytest.mark.parametrize(("name", "scopes"), [("a", []), ("a", ["root"]), ("a b", ["read"]), ("", ["read"])])
def test_key_that_cannot_be_is_not_made(name: str, scopes: list[str]) -> None:
    with pytest.raises(ValidationError):
        client_key_create(name=name, scopes=scopes, actor="root")


def test_unknown_query_parameter_is_named(api_client: APIClient) -> None:
    answer = api_client.get(f"{ECHO}?status=x&statsu=y")

    assert error_of(answer) == (400, "unknown_field")
    assert answer.json()["error"]["fields"] == {"statsu": ["There is no such parameter. Known: status."]}


def test_query_parameters_are_declared_per_method(api_client: APIClient) -> None:
    assert api_client.get(f"{ECHO}?status=x").status_code == 200
    assert error_of(api_client.post(f"{ECHO}?status=x", {})) == (400, "unknown_field")


def test_parameters_of_paginator_and_ordering_are_known(api_client: APIClient) -> None:
    assert api_client.get("/api/v2/users?page_size=1&ordering=username").status_code == 200
    assert error_of(api_client.get("/api/v2/users?page=1")) == (400, "unknown_field")
