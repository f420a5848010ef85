"""Limits with a calendar and own prices with a day, as staff enter them."""

from datetime import date
from decimal import Decimal
from typing import Any

import pytest
from django.test import Client
from django.urls import reverse

from providers.models import Limit, LimitPool
from tests.factories import make_model, make_pool

pytestmark = pytest.mark.django_db


def enter_limit(client: Client, pool: LimitPool, **values: Any) -> str:
    """Send the form of a pool with one new limit and return the page that follows."""
    limit = {
        "pool": pool.pk, "model": "", "what": "requests", "amount": 5, "per_s": 60, "resets": "rolling",
        "reset_zone": "UTC", "counted_at": "admission", **values,
    }  # fmt: skip
    data = {"name": pool.name, "limits-TOTAL_FORMS": 1, "limits-INITIAL_FORMS": 0}
    data |= {f"limits-0-{name}": value for name, value in limit.items()}
    url = reverse("admin:providers_limitpool_change", args=[pool.pk])
    return client.post(url, data, follow=True).content.decode()


@pytest.mark.parametrize(
    ("values", "stored"),
    [
        ({}, ("requests", 60, "rolling", "UTC")),
        (
            {"resets": "day", "reset_zone": "America/Los_Angeles"},
            ("requests", 86_400, "day", "America/Los_Angeles"),
        ),
        ({"resets": "month", "per_s": 0, "what": "tokens"}, ("tokens", 2_592_000, "month", "UTC")),
        ({"what": "in_flight", "resets": "day"}, ("in_flight", 0, "rolling", "UTC")),
    ],
)
def test_limit_is_entered(
    superuser_client: Client, values: dict[str, Any], stored: tuple[str, int, str, str]
) -> None:
    enter_limit(superuser_client, make_pool(), **values)

    assert list(Limit.objects.values_list("what", "per_s", "resets", "reset_zone")) == [stored]


def test_limit_of_an_unknown_time_zone_is_refused_in_the_form(superuser_client: Client) -> None:
    page = enter_limit(superuser_client, make_pool(), resets="day", reset_zone="Mars/Olympus")

    assert "There is no such time zone." in page
    assert not Limit.objects.exists()


def test_price_of_a_day_is_entered(superuser_client: Client) -> None:
    model = make_model()
    url = reverse("admin:providers_languagemodel_change", args=[model.pk])
    price = {
        "model": model.pk, "valid_from": "2026-12-01", "input_usd_per_mtok": "1.5", "output_usd_per_mtok": "6",
        "cached_usd_per_mtok": "",
    }  # fmt: skip
    data = {
        "tier": "fast", "request_options": "{}", "prices-TOTAL_FORMS": 1, "prices-INITIAL_FORMS": 0,
        **{f"prices-0-{name}": value for name, value in price.items()},
    }  # fmt: skip

    response = superuser_client.post(url, data)

    assert response.status_code == 302
    stored = model.prices.get()
    assert (stored.valid_from, stored.input_usd_per_mtok) == (date(2026, 12, 1), Decimal("1.5"))
