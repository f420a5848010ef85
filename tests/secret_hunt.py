"""Looks for a planted text wherever this service could show it: rows, Redis, API answers, admin pages."""

import re
from collections.abc import Iterator
from typing import Any

from django.apps import apps
from django.contrib import admin
from django.test import Client
from django.urls import reverse
from redis import Redis
from rest_framework.test import APIClient

from domainsite.api.urls import MODULES, _patterns_of

ROWS_PER_PAGE_KIND = 40


def rows_with(mark: str) -> list[str]:
    """Return the tables and columns, of all apps, in which the mark stands."""
    found = []
    for model in [one for one in apps.get_models() if one._meta.managed]:
        for row in model._base_manager.values():
            found += [f"{model._meta.label}.{name}" for name, value in row.items() if mark in str(value)]
    return found


def redis_keys_with(mark: str, url: str) -> list[str]:
    """Return the names of the Redis keys whose name or value holds the mark."""
    with Redis.from_url(url, decode_responses=True) as client:
        return [
            name for name in client.scan_iter() if mark in name or mark in repr(_redis_value(client, name))
        ]


def _redis_value(client: Any, name: str) -> Any:
    match client.type(name):
        case "hash":
            return client.hgetall(name)
        case "zset":
            return client.zrange(name, 0, -1)
        case "list":
            return client.lrange(name, 0, -1)
        case "set":
            return client.smembers(name)
        case "stream":
            return client.xrange(name)
        case _:
            return client.get(name)


def api_addresses(values: dict[str, list[Any]]) -> Iterator[str]:
    """Return every address below `/api/v2`, once for each of the values that its placeholder may take.

    `values`: the start of a route (`runs/`) → what stands for its placeholder.
    """
    for module in MODULES:
        for pattern in _patterns_of(module):
            route = str(pattern.pattern)
            if "<" not in route:
                yield f"/api/v2/{route}"
                continue
            start = route[: route.index("<")]
            for value in values[start]:
                yield "/api/v2/" + re.sub(r"<[^>]+>", str(value), route)


def api_answers_with(mark: str, client: APIClient, values: dict[str, list[Any]]) -> tuple[list[str], int]:
    """Return the addresses whose answers hold the mark, and how many answered 200."""
    found, n_read = [], 0
    for address in api_addresses(values):
        for query in ("", "?include=text", "?page_size=500"):
            response = client.get(address + query)
            n_read += response.status_code == 200
            shown = response.getvalue().decode() + str(dict(response.items()))
            found += [address + query] if mark in shown else []
    return found, n_read


def admin_pages_with(mark: str, client: Client, *, apps_shown: tuple[str, ...]) -> tuple[list[str], int]:
    """Return the admin pages of these apps (lists, rows, history) that hold the mark, and how many were read."""
    addresses = [reverse("admin:index")]
    for model in admin.site._registry:
        if model._meta.app_label in apps_shown:
            name = f"admin:{model._meta.app_label}_{model._meta.model_name}"
            addresses.append(reverse(f"{name}_changelist"))
            for pk in model._base_manager.values_list("pk", flat=True)[:ROWS_PER_PAGE_KIND]:
                addresses += [reverse(f"{name}_{page}", args=[pk]) for page in ("change", "history")]
    pages = {address: client.get(address, follow=True) for address in addresses}
    assert {page.status_code for page in pages.values()} == {200}
    return [address for address, page in pages.items() if mark in page.content.decode()], len(pages)
