"""Testing a key: a real call to the provider's own host, and what follows."""

import json
from collections.abc import Iterator
from contextlib import contextmanager
from typing import Any

import pytest

from providers.errors import WrongKeyState
from providers.models import ApiKey, LanguageModel
from providers.rules.secret import Secret
from providers.services import (
    key_create,
    key_disable,
    key_note,
    key_test,
    keys_sync_environment,
    model_discover,
)
from tests.factories import make_model, make_provider
from tests.providers.http_server import RawServer, http_answer, raw_server

pytestmark = pytest.mark.django_db
PLAIN = "sk-planted-0123456789"
CHECK = {"method": "GET", "path": "/models", "ok": [200], "bad_key": [401]}
MODELS = json.dumps(
    {"object": "list", "data": [{"id": "smollm2-135m-instruct", "object": "model"}, {"id": "two"}]}
).encode()


@contextmanager
def key_at(answer: bytes, **provider: Any) -> Iterator[tuple[ApiKey, RawServer]]:
    """A key of a provider that answers so."""
    with raw_server(answer) as server:
        usual = {"base_url": server.url, "key_check": CHECK}
        yield (
            key_create(provider=make_provider(**{**usual, **provider}), secret=Secret(PLAIN), actor="ann"),
            server,
        )


def test_good_key_is_proven_at_its_own_host() -> None:
    with key_at(http_answer(b'{"data": []}')) as (key, server):
        result = key_test(key=key, actor="ann")

    assert (result.is_ok, result.http_status) == (True, 200)
    assert server.requests[0].startswith(b"GET /models HTTP/1.1\r\n")
    assert f"Authorization: Bearer {PLAIN}".encode() in server.requests[0]


def test_refused_key_leaves_service() -> None:
    body = json.dumps(
        {"error": {"message": f"Incorrect API key provided: {PLAIN}", "code": "invalid_api_key"}}
    ).encode()
    with key_at(http_answer(body, status="401 Unauthorized")) as (key, _):
        result = key_test(key=key, actor="ann")

    key.refresh_from_db()
    assert (result.is_ok, key.state) == (False, "invalid")
    assert PLAIN not in result.message + key.state_reason


def test_bad_key_as_400() -> None:
    body = json.dumps({"code": "x", "error": "Incorrect API key provided: xa***yz."}).encode()
    with key_at(http_answer(body, status="400 Bad Request"), key_check={**CHECK, "bad_key": [400, 401]}) as (
        key,
        _,
    ):
        assert key_test(key=key, actor="ann").is_ok is False


@pytest.mark.parametrize("status", ["500 Oops", "403 Forbidden", "404 Not Found", "429 Too Many"])
def test_unclear_answer_proves_nothing(status: str) -> None:
    with key_at(http_answer(b"{}", status=status)) as (key, _):
        result = key_test(key=key, actor="ann")

    key.refresh_from_db()
    assert (result.is_ok, key.state) == (None, "active")


def test_no_credit_says_so() -> None:
    body = b'{"error": {"message": "no money", "code": "insufficient_quota"}}'
    with key_at(http_answer(body, status="429 Too Many")) as (key, _):
        result = key_test(key=key, actor="ann")

    assert result.is_ok is None
    assert "no credit" in result.message


def test_server_away_proves_nothing() -> None:
    provider = make_provider(base_url="http://127.0.0.1:9", key_check=CHECK)
    key = key_create(provider=provider, secret=Secret(PLAIN), actor="ann")

    assert key_test(key=key, actor="ann").is_ok is None


@pytest.mark.parametrize(
    ("body", "is_ok"), [(b'{"valid": true}', True), (b'{"valid": false}', False), (b"oops", False)]
)
def test_check_by_a_field_of_the_body(body: bytes, is_ok: bool) -> None:
    check = {
        "method": "POST",
        "path": "/v1/check-api-key",
        "ok": [200],
        "bad_key": [401],
        "body_field": "valid",
    }
    with key_at(http_answer(body), key_check=check) as (key, server):
        assert key_test(key=key, actor="ann").is_ok is is_ok
    assert server.requests[0].startswith(b"POST /v1/check-api-key")


@pytest.mark.parametrize(("outcome", "state"), [("key_invalid", "active"), ("quota_exhausted", "exhausted")])
def test_proof_brings_back_an_invalid_key_but_proves_no_credit(outcome: str, state: str) -> None:
    with key_at(http_answer(b"{}")) as (key, _):
        key_note(key_id=key.pk, outcome=outcome, message="x", actor="drain")
        key_test(key=key, actor="ann")

    key.refresh_from_db()
    assert key.state == state


def test_disabled_key_stays_disabled() -> None:
    with key_at(http_answer(b"{}")) as (key, _):
        key_disable(key=key, actor="ann")
        key_test(key=key, actor="ann")

    key.refresh_from_db()
    assert key.state == "disabled"


def test_redirect_is_not_followed_with_the_key() -> None:
    with raw_server(http_answer(b"{}")) as other:
        answer = http_answer(b"", status="302 Found", headers=f"Location: {other.url}/\r\n")
        with key_at(answer) as (key, _):
            assert key_test(key=key, actor="ann").is_ok is None
    assert other.requests == []


def test_unreadable_key_is_a_state(settings: Any) -> None:
    with key_at(http_answer(b"{}")) as (key, server):
        settings.FIELD_ENCRYPTION_KEYS = {"other": b"3" * 32}
        result = key_test(key=key, actor="ann")

    key.refresh_from_db()
    assert (result.is_ok, key.state, server.requests) == (None, "unreadable", [])


def test_provider_without_a_check_says_so() -> None:
    key = key_create(provider=make_provider(), secret=Secret(PLAIN), actor="ann")

    with pytest.raises(WrongKeyState, match="no call that proves a key"):
        key_test(key=key, actor="ann")


def test_own_server_names_its_first_model() -> None:
    with raw_server(http_answer(MODELS)) as server:
        provider = make_provider(base_url=server.url, needs_key=False, quirks={"default_version_path": "/v1"})

        assert model_discover(provider=provider, secret=None) == "smollm2-135m-instruct"
        assert model_discover(provider=provider, secret=None) == "smollm2-135m-instruct"

    assert [request.split(b" ")[1] for request in server.requests] == [b"/v1/models"]


def test_placeholder_gives_way_once_the_server_answers() -> None:
    provider = make_provider(base_url="http://127.0.0.1:9", needs_key=False)
    assert model_discover(provider=provider, secret=None) == "default"
    with raw_server(http_answer(MODELS)) as server:
        provider.base_url = server.url
        provider.save()
        model_discover(provider=provider, secret=None)

    assert list(LanguageModel.objects.filter(is_default=True).values_list("name", flat=True)) == [
        "smollm2-135m-instruct"
    ]


def test_chosen_model_is_kept() -> None:
    model = make_model(provider=make_provider(needs_key=False))

    assert model_discover(provider=model.provider, secret=None) == model.name


def test_testing_the_empty_key_discovers_the_model() -> None:
    with raw_server(http_answer(MODELS)) as server:
        provider = make_provider(base_url=server.url, needs_key=False, key_check=CHECK)
        keys_sync_environment()
        result = key_test(key=provider.keys.get(), actor="ann")

    assert result.is_ok
    assert provider.language_models.get().name == "smollm2-135m-instruct"
