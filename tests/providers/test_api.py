"""`GET /api/v2/api-keys`."""

from collections.abc import Callable
from typing import Any

import pytest
from rest_framework.test import APIClient

from providers.rules.secret import Secret
from providers.services import key_create, key_note
from tests.factories import make_provider

URL = "/api/v2/api-keys"
PLAIN = "sk-planted-0123456789"
pytestmark = pytest.mark.django_db


def test_keys_by_provider(client_for: Callable[..., APIClient]) -> None:
    key = key_create(provider=make_provider("acme"), secret=Secret(PLAIN), label="main", actor="ann")
    key_note(key_id=key.pk, outcome="key_invalid", message=f"no: {PLAIN}", actor="drain")
    make_provider("beta")

    response = client_for("operate").get(URL)

    answer: dict[str, Any] = response.json()
    (shown,) = answer["providers"][0].pop("keys")
    assert answer == {
        "providers": [
            {"provider": "acme", "usable": 0, "total": 1},
            {"provider": "beta", "keys": [], "usable": 0, "total": 0},
        ],
        "usable_keys": 0,
    }
    assert shown.pop("last_error_at").endswith("Z")
    assert shown.pop("state_until").endswith("Z")  # then one call tries it again
    assert shown == {
        "id": key.pk, "label": "main", "last4": "6789", "pool": "default", "source": "staff", "state": "invalid",
        "state_reason": "no: ****", "last_ok_at": None,
    }  # fmt: skip
    assert PLAIN not in response.content.decode()


def test_keys_of_one_provider(client_for: Callable[..., APIClient]) -> None:
    make_provider("acme")
    key_create(provider=make_provider("beta"), secret=Secret(PLAIN), actor="ann")

    answer = client_for("operate").get(URL, {"provider": "beta"}).json()

    assert [one["provider"] for one in answer["providers"]] == ["beta"]
    assert answer["usable_keys"] == 1


@pytest.mark.parametrize(
    ("query", "code"),
    [
        ({"provider": "nobody"}, "validation"),
        ({"provider": "\x00"}, "validation"),
        ({"oops": "1"}, "unknown_field"),
    ],
)
def test_bad_query(client_for: Callable[..., APIClient], query: dict[str, str], code: str) -> None:
    response = client_for("operate").get(URL, query)

    assert (response.status_code, response.json()["error"]["code"]) == (400, code)


@pytest.mark.parametrize("scope", ["read", "process", "manage"])
def test_other_scopes_do_not_suffice(client_for: Callable[..., APIClient], scope: str) -> None:
    assert client_for(scope).get(URL).status_code == 403


def test_nobody_is_told_to_authenticate() -> None:
    assert APIClient().get(URL).status_code == 401


def test_queries_do_not_grow(
    client_for: Callable[..., APIClient], django_assert_max_num_queries: Any
) -> None:
    client = client_for("operate")
    for number in range(5):
        key_create(provider=make_provider(), secret=Secret(f"{PLAIN}{number}"), actor="ann")

    with django_assert_max_num_queries(6):
        client.get(URL)
