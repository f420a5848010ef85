"""What tests run on: a Redis of their own, clients with and without rights, the environment of real processes."""

import os
import shutil
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any
from urllib.parse import urlsplit, urlunsplit

import pytest
from django.conf import settings
from django.contrib.auth.models import User
from django.db import connection
from django.test import Client
from redis import Redis
from rest_framework.test import APIClient

from domainsite.embedded import EmbeddedServer
from domainsite.models import ClientKey
from domainsite.services import client_key_create


@pytest.fixture(scope="session")
def redis_url() -> Iterator[str]:
    """The Redis of this session: that of REDIS_URL, else an embedded server."""
    state_dir = Path(settings.STATE_DIR)
    server = EmbeddedServer(state_dir) if settings.REDIS_IS_EMBEDDED else None
    if server:
        server.start()
    yield settings.REDIS_URL
    if server:
        server.stop()
        shutil.rmtree(server.socket_path.parent, ignore_errors=True)


def pytest_unconfigure() -> None:
    """Remove the state directory that `tests/settings.py` made, whether tests ran or not."""
    shutil.rmtree(settings.STATE_DIR, ignore_errors=True)


@pytest.fixture(autouse=True)
def _empty_redis(redis_url: str) -> None:
    """Start each test with an empty Redis database; only ours is emptied."""
    with Redis.from_url(redis_url) as client:
        client.flushdb()


@pytest.fixture
def client_for(db: None) -> Callable[..., APIClient]:
    """Make an API client whose key has the given scopes: `client_for("read", "process")`."""

    def make(*scopes: str, name: str = "tester") -> APIClient:
        _key, text = client_key_create(name=name, scopes=list(scopes), actor="tests")
        client = APIClient()
        client.credentials(HTTP_AUTHORIZATION=f"Api-Key {text}")
        return client

    return make


@pytest.fixture
def api_client(client_for: Callable[..., APIClient]) -> APIClient:
    """An API client whose key has all scopes; its actor is `client:tester`."""
    return client_for(*ClientKey.Scope.values)


@pytest.fixture
def superuser(db: None) -> User:
    """A superuser."""
    return User.objects.create_superuser("root", password="correct horse battery")


@pytest.fixture
def staff_user(db: None) -> User:
    """A staff user without any permission."""
    return User.objects.create_user("staff", password="correct horse battery", is_staff=True)


@pytest.fixture
def superuser_client(superuser: User) -> Client:
    """A browser logged in as superuser."""
    client = Client()
    client.force_login(superuser)
    return client


@pytest.fixture
def staff_client(staff_user: User) -> Client:
    """A browser logged in as staff without any permission."""
    client = Client()
    client.force_login(staff_user)
    return client


@pytest.fixture
def process_env(transactional_db: None, redis_url: str) -> dict[str, str]:
    """The environment that lets `manage.py …` processes work on this test's database and Redis."""
    return {
        **os.environ,
        "DJANGO_SETTINGS_MODULE": "domainsite.settings",
        "DATABASE_URL": _address_of(connection.settings_dict),
        "REDIS_URL": redis_url,
    }


def _address_of(database: dict[str, Any]) -> str:
    if connection.vendor == "sqlite":
        return f"sqlite:///{database['NAME']}"
    return urlunsplit(urlsplit(os.environ["DATABASE_URL"])._replace(path=f"/{database['NAME']}"))
