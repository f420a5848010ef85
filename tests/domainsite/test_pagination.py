"""Pages by key: whole, in order and without repeats in both directions, whatever the columns hold."""

from datetime import UTC, datetime, timedelta
from typing import Any

import pytest
from django.contrib.auth.models import User
from rest_framework.test import APIClient

pytestmark = [pytest.mark.django_db, pytest.mark.urls("tests.domainsite.probe_urls")]

START = datetime(2026, 1, 1, 12, 0, 0, 123456, tzinfo=UTC)


@pytest.fixture
def users() -> list[User]:
    """Nine users: three last names in turn, every third was never logged in, two at one instant."""
    logins = [None if n % 3 == 2 else START + timedelta(microseconds=n // 2) for n in range(9)]
    rows = [User(username=f"u{n}", last_name="abc"[n % 3], last_login=logins[n]) for n in range(9)]
    return User.objects.bulk_create(rows)


def walk(client: APIClient, address: str, *, along: str = "next") -> list[list[str]]:
    pages = []
    link: Any = address
    while link:
        body = client.get(link).json()
        pages.append([row["username"] for row in body["results"]])
        link = body[along]
    return pages


@pytest.mark.parametrize(
    "ordering", ["id", "-id", "last_name", "-last_name", "last_login", "-last_login,last_name"]
)
@pytest.mark.parametrize("size", [1, 2, 4, 9, 50])
def test_pages_hold_every_row_once_and_in_order(
    api_client: APIClient, users: list[User], ordering: str, size: int
) -> None:
    query = "" if ordering in ("id", "-id") else f"&ordering={ordering}"

    pages = walk(api_client, f"/api/v2/users?page_size={size}{query}")
    whole = walk(api_client, f"/api/v2/users?page_size=500{query}")

    assert [name for page in pages for name in page] == whole[0]
    assert sorted(whole[0]) == [f"u{n}" for n in range(9)]


@pytest.mark.parametrize("ordering", ["last_name", "-last_login", "last_login"])
def test_pages_backward_mirror_pages_forward(api_client: APIClient, users: list[User], ordering: str) -> None:
    forward = walk(api_client, f"/api/v2/users?page_size=3&ordering={ordering}")
    link = f"/api/v2/users?page_size=3&ordering={ordering}"
    while (body := api_client.get(link).json())["next"]:
        link = body["next"]

    assert walk(api_client, link, along="previous") == forward[::-1]


def test_unknown_values_stand_last(api_client: APIClient, users: list[User]) -> None:
    for ordering in ("last_login", "-last_login"):
        names = walk(api_client, f"/api/v2/users?ordering={ordering}")[0]
        assert set(names[-3:]) == {"u2", "u5", "u8"}


def test_page_is_not_moved_by_new_rows(api_client: APIClient, users: list[User]) -> None:
    first = api_client.get("/api/v2/users?page_size=3&ordering=-username").json()
    User.objects.create(username="u99")

    second = api_client.get(first["next"]).json()

    assert [row["username"] for row in second["results"]] == ["u5", "u4", "u3"]


def test_page_costs_one_query_and_no_count(
    api_client: APIClient, users: list[User], django_assert_num_queries: Any
) -> None:
    api_client.get("/api/v2/users")

    with django_assert_num_queries(2):  # the client key, the page
        api_client.get("/api/v2/users?page_size=3")


def test_empty_list_has_no_neighbours(api_client: APIClient) -> None:
    assert api_client.get("/api/v2/users").json() == {"results": [], "next": None, "previous": None}


@pytest.mark.parametrize(
    "query",
    [
        *("page_size=0", "page_size=501", "page_size=abc", "page_size=", "page_size=1000000000"),
        "ordering=password",
        *("cursor=", "cursor=x", "cursor=W10", "cursor=WzIsMV0", "cursor=WzAsImEiXQ", "cursor=" + "A" * 2000),
    ],
)
def test_value_that_is_wrong_is_named(api_client: APIClient, users: list[User], query: str) -> None:
    answer = api_client.get(f"/api/v2/users?{query}")

    assert (answer.status_code, answer.json()["error"]["code"]) == (400, "validation")
    assert list(answer.json()["error"]["fields"]) == [query.partition("=")[0]]
