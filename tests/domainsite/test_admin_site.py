"""The admin: django-rq's pages need their permission; client keys are shown once and revoked."""

import re

import pytest
from django.contrib.auth.models import Permission, User
from django.test import Client
from rest_framework.test import APIClient

from domainsite.models import ClientKey

pytestmark = pytest.mark.django_db

QUEUE_PAGES = [
    "",
    "queues/0/",
    "queues/0/failed/",
    "queues/0/empty/",
    "workers/0/",
    "stats.json",
    "queues/0/some-job/delete/",
]


@pytest.mark.parametrize("page", QUEUE_PAGES)
def test_queue_page_is_refused_to_staff_without_permission(staff_client: Client, page: str) -> None:
    assert staff_client.get(f"/admin/django_rq/dashboard/{page}").status_code == 403


def test_queue_page_opens_with_the_permission(staff_client: Client, staff_user: User) -> None:
    staff_user.user_permissions.add(
        Permission.objects.get(codename="admin", content_type__app_label="django_rq")
    )

    assert staff_client.get("/admin/django_rq/dashboard/").status_code == 200


def test_queue_page_opens_for_superusers(superuser_client: Client) -> None:
    assert superuser_client.get("/admin/django_rq/dashboard/queues/0/").status_code == 200


def test_queue_page_asks_others_to_log_in() -> None:
    answer = Client().get("/admin/django_rq/dashboard/")

    assert (answer.status_code, answer["Location"].split("?")[0]) == (302, "/admin/login/")


def test_client_key_is_made_and_shown_once(superuser_client: Client) -> None:
    form = {"name": "shop", "scopes": ["read", "process"], "expires_at_0": "", "expires_at_1": ""}
    page = superuser_client.post("/admin/domainsite/clientkey/add/", form, follow=True).content.decode()

    text = re.findall(r"shown this once: (\S+?)<", page)[0]

    client = APIClient()
    assert client.get("/api/v2/health", headers={"authorization": f"Api-Key {text}"}).status_code in (
        200,
        503,
    )
    assert ClientKey.objects.get().created_by == "root"
    assert text not in superuser_client.get("/admin/domainsite/clientkey/", follow=True).content.decode()


def test_client_key_is_revoked_from_the_list(superuser_client: Client) -> None:
    superuser_client.post("/admin/domainsite/clientkey/add/", {"name": "shop", "scopes": ["read"]})
    chosen = {"action": "revoke", "_selected_action": [ClientKey.objects.get().pk]}

    superuser_client.post("/admin/domainsite/clientkey/", chosen)

    assert ClientKey.objects.get().revoked_at is not None


def test_client_key_page_opens(superuser_client: Client) -> None:
    superuser_client.post("/admin/domainsite/clientkey/add/", {"name": "shop", "scopes": ["read"]})

    assert (
        superuser_client.get(f"/admin/domainsite/clientkey/{ClientKey.objects.get().pk}/change/").status_code
        == 200
    )
