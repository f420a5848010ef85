"""`GET /api/v2/provider-usage`: sums, errors, latency and limits over a window; what is not known is null."""

import uuid
from collections.abc import Callable
from datetime import timedelta
from decimal import Decimal
from typing import Any

import pytest
from django.db import connection
from django.test.utils import CaptureQueriesContext
from rest_framework.test import APIClient

from providers.clock import database_now
from providers.latencies import Latency, latencies_add
from providers.models import ApiKey, LanguageModel
from providers.usage import UsageRow, usage_add
from tests.factories import make_key, make_limit, make_model, make_pool, make_provider

URL = "/api/v2/provider-usage"
pytestmark = pytest.mark.django_db


def make_lane(name: str, **values: Any) -> tuple[LanguageModel, ApiKey]:
    """Make a provider with a model and a key."""
    model = make_model(provider=make_provider(name), **values)
    return model, make_key(provider=model.provider)


def book(
    model: LanguageModel, key: ApiKey, outcome: str, n: int, *, minutes_ago: int = 5, **sums: Any
) -> None:
    """Book `n` calls that ended alike."""
    at = database_now().replace(second=0, microsecond=0) - timedelta(minutes=minutes_ago)
    usage_add([UsageRow(at, uuid.uuid4(), model.provider_id, model.pk, key.pk, outcome, n, **sums)])


def time_calls(model: LanguageModel, key: ApiKey, *latencies_ms: int) -> None:
    """Book how long replies took."""
    rows = [Latency(model.provider_id, model.pk, key.pk, one) for one in latencies_ms]
    latencies_add(uuid.uuid4(), rows, at=database_now() - timedelta(minutes=1))


@pytest.fixture
def rows_of(client_for: Callable[..., APIClient]) -> Callable[..., list[dict[str, Any]]]:
    """Ask and return the rows."""
    client = client_for("operate")

    def ask(**query: str) -> list[dict[str, Any]]:
        response = client.get(URL, query)
        assert response.status_code == 200, response.content
        rows: list[dict[str, Any]] = response.json()["results"]
        return rows

    return ask


def test_row_of_a_provider(rows_of: Callable[..., list[dict[str, Any]]]) -> None:
    model, key = make_lane("acme")
    make_limit(pool=key.pool, amount=100, per_s=3600)
    book(
        model,
        key,
        "answered",
        90,
        input_tokens=900,
        output_tokens=4500,
        cost_usd=Decimal("0.9"),
        n_unpriced=1,
    )
    book(model, key, "refused", 2)
    book(model, key, "timeout", 5)
    book(model, key, "rate_limited", 3)
    time_calls(model, key, *[100] * 50, *[1000] * 45, *[20_000] * 5)

    (row,) = rows_of()

    assert row.pop("last_ok_at") is None  # no key's row says that it ever worked
    assert row == {
        "provider": "acme", "model": None, "key": None, "calls": 100, "answered": 90, "declined": 2,
        "failed": {"rate_limited": 3, "timeout": 5}, "error_share": 0.08, "input_tokens": 900, "output_tokens": 4500,
        "reasoning_tokens": 0, "cached_tokens": 0, "cost_usd": "0.90000000", "unpriced_answers": 1,
        "latency_p50_ms": 97.0, "latency_p95_ms": 955.6, "latency_p99_ms": 20176.2, "tier": None,
        "state": "never worked",
        "limits": [{
            "pool": "default", "model": None, "what": "requests", "amount": 100, "per_s": 3600, "resets": "rolling",
            "source": "staff", "used": 100, "share": 1.0,
        }],
    }  # fmt: skip


def test_what_is_not_known_is_null(rows_of: Callable[..., list[dict[str, Any]]]) -> None:
    silent, key = make_lane("silent")
    make_limit(pool=key.pool, what="in_flight", amount=3, per_s=0)
    unpriced, other = make_lane("unpriced")
    book(unpriced, other, "answered", 2, n_unpriced=2)

    rows = {row["provider"]: row for row in rows_of(group_by="model")}

    names = ("calls", "error_share", "cost_usd", "input_tokens", "latency_p50_ms", "last_ok_at")
    assert [rows["silent"][name] for name in names] == [0, None, "0.00000000", 0, None, None]
    assert [rows["unpriced"][name] for name in names[:5]] == [2, 0.0, None, None, None]
    assert [(use["used"], use["share"]) for use in rows["silent"]["limits"]] == [(None, None)]
    assert rows["silent"]["tier"] == silent.tier


@pytest.mark.parametrize(
    ("query", "calls"),
    [({"window": "1h"}, 1), ({}, 11), ({"window": "24h"}, 11), ({"window": "7d"}, 111)],
)
def test_windows(rows_of: Callable[..., list[dict[str, Any]]], query: dict[str, str], calls: int) -> None:
    model, key = make_lane("acme")
    for n, minutes_ago in ((1, 5), (10, 300), (100, 3000)):
        book(model, key, "answered", n, minutes_ago=minutes_ago)

    assert [row["calls"] for row in rows_of(**query)] == [calls]


def test_from_and_to(rows_of: Callable[..., list[dict[str, Any]]]) -> None:
    model, key = make_lane("acme")
    for n, minutes_ago in ((1, 5), (10, 300), (100, 3000)):
        book(model, key, "answered", n, minutes_ago=minutes_ago)
    now = database_now()

    span = {
        "from": (now - timedelta(minutes=400)).isoformat(),
        "to": (now - timedelta(minutes=100)).isoformat(),
    }

    assert [row["calls"] for row in rows_of(**span)] == [10]


def test_rows_by_key(rows_of: Callable[..., list[dict[str, Any]]]) -> None:
    model, first = make_lane("acme")
    second = make_key(provider=model.provider, label="second", state="invalid")
    make_key(provider=model.provider, state="disabled")
    book(model, first, "answered", 3)
    book(model, second, "key_invalid", 1)

    rows = [(row["key"]["id"], row["calls"], row["failed"], row["state"]) for row in rows_of(group_by="key")]

    assert rows == [(first.pk, 3, {}, "active"), (second.pk, 1, {"key_invalid": 1}, "invalid")]


def test_limits_of_a_model_are_its_own_and_those_of_all(rows_of: Callable[..., list[dict[str, Any]]]) -> None:
    model, key = make_lane("acme")
    other = make_model(provider=model.provider)
    pool = make_pool(provider=model.provider)
    make_limit(pool=pool, amount=50, per_s=600)
    make_limit(pool=pool, amount=1000, what="tokens", per_s=86_400, resets="day", model=other)
    book(model, key, "answered", 10, minutes_ago=1, input_tokens=100)
    book(other, key, "answered", 5, minutes_ago=1, input_tokens=20, output_tokens=30)

    rows = {row["model"]: row["limits"] for row in rows_of(group_by="model")}

    assert [(use["amount"], use["used"]) for use in rows[model.name]] == [(50, 15)]
    assert sorted((use["amount"], use["used"]) for use in rows[other.name]) == [(50, 15), (1000, 50)]


@pytest.mark.parametrize("group_by", ["provider", "model", "key"])
def test_queries_do_not_grow(client_for: Callable[..., APIClient], group_by: str) -> None:
    client = client_for("operate")

    def n_queries() -> int:
        model, key = make_lane(f"p{uuid.uuid4().hex[:8]}")
        make_limit(pool=key.pool)
        book(model, key, "answered", 1)
        time_calls(model, key, 100)
        with CaptureQueriesContext(connection) as captured:
            assert client.get(URL, {"group_by": group_by}).status_code == 200
        return len(captured)

    n_queries()  # notes when the client key was used

    assert n_queries() == n_queries()


@pytest.mark.parametrize(
    ("query", "code"),
    [
        ({"window": "2h"}, "validation"),
        ({"group_by": "planet"}, "validation"),
        ({"window": "1h", "from": "2026-01-01"}, "validation"),
        ({"to": "2026-01-01"}, "validation"),
        ({"from": "2026-01-02", "to": "2026-01-01"}, "validation"),
        ({"from": "0001-01-01T00:00:00+14:00"}, "validation"),
        ({"from": "9999-12-31T23:59:59-12:00"}, "validation"),
        ({"from": "yesterday"}, "validation"),
        ({"from": "\x00"}, "validation"),
        ({"windows": "1h"}, "unknown_field"),
    ],
)
def test_bad_query(client_for: Callable[..., APIClient], query: dict[str, str], code: str) -> None:
    response = client_for("operate").get(URL, query)

    assert (response.status_code, response.json()["error"]["code"]) == (400, code)


def test_scope(client_for: Callable[..., APIClient]) -> None:
    assert APIClient().get(URL).status_code == 401
    assert client_for("read").get(URL).status_code == 403
