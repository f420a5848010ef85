"""The import page: a preview that stores nothing, then the load of exactly what was previewed."""

import html
import re
from typing import Any

from django.contrib.auth.models import Permission, User
from django.core.files.uploadedfile import SimpleUploadedFile
from django.test import Client
from django.urls import reverse

from processing.models import Domain
from tests.factories import make_domain

ADDRESS = "admin:processing_domain_import"


def _hidden(page: str) -> dict[str, str]:
    return {
        name: html.unescape(value)
        for name in ("payload", "format", "cohort")
        for value in re.findall(rf'<input type="hidden" name="{name}" value="([^"]*)"', page)
    }


def _preview(client: Client, **data: Any) -> str:
    answer = client.post(reverse(ADDRESS), data)
    assert answer.status_code == 200
    return answer.content.decode()


def test_preview_shows_a_verdict_per_row_and_stores_nothing(superuser_client: Client) -> None:
    make_domain("adidas.com")

    page = _preview(superuser_client, text="https://www.Nike.com/shoes\nadidas.com\nnike.com\nnot a domain\n")

    assert Domain.objects.count() == 1
    for verdict in ("created", "exists", "duplicate", "invalid"):
        assert f">{verdict}</span>" in page
    assert "Load 2 domains" in page


def test_load_stores_what_was_previewed(superuser_client: Client) -> None:
    page = _preview(superuser_client, text="nike.com\ncreate.com", cohort="Sport & Co")

    answer = superuser_client.post(reverse(ADDRESS), {**_hidden(page), "load": "1"}, follow=True)

    assert "2 rows read: 2 created." in answer.content.decode()
    assert sorted(Domain.objects.values_list("name", "cohorts__name")) == [
        ("create.com", "sport-co"),
        ("nike.com", "sport-co"),
    ]


def test_file_is_read_by_its_ending(superuser_client: Client) -> None:
    upload = SimpleUploadedFile(
        "list.csv", "domain,display_name\nnike.com,Nike\nmünchen.de,München\n".encode()
    )
    page = _preview(superuser_client, file=upload)

    superuser_client.post(reverse(ADDRESS), {**_hidden(page), "load": "1"})

    assert set(Domain.objects.values_list("name", "display_name")) == {
        ("nike.com", "Nike"),
        ("xn--mnchen-3ya.de", "München"),
    }


def test_broken_json_is_refused_with_the_reason(superuser_client: Client) -> None:
    assert "Not valid JSON" in _preview(superuser_client, text='{"domains": [')


def test_nothing_given_is_refused(superuser_client: Client) -> None:
    assert "Paste some domains or choose a file." in _preview(superuser_client, text="  \n")


def test_damaged_preview_is_refused(superuser_client: Client) -> None:
    page = _preview(superuser_client, payload="%%%", format="text", load="1")

    assert "damaged on its way" in page
    assert not Domain.objects.exists()


def test_markup_in_rows_is_escaped(superuser_client: Client) -> None:
    page = _preview(superuser_client, text="<script>alert(1)</script>")

    assert "<script>alert" not in page


def test_import_needs_the_right_to_add(client: Client, viewer: User) -> None:
    client.force_login(viewer)
    assert client.post(reverse(ADDRESS), {"text": "nike.com"}).status_code == 403
    viewer.user_permissions.add(Permission.objects.get(codename="add_domain"))

    client.force_login(User.objects.get(pk=viewer.pk))

    assert "Load 1 domain" in _preview(client, text="nike.com")


def test_adding_a_single_domain_leads_to_the_import(superuser_client: Client) -> None:
    answer = superuser_client.get(reverse("admin:processing_domain_add"))

    assert answer["Location"] == reverse(ADDRESS)
