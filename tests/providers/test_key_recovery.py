"""Keys come back by themselves: by time, by the cheapest call, or by one question; news of it goes out after commit."""

from datetime import timedelta
from typing import Any

import pytest
from django.db.models.functions import Now
from django.utils import timezone

from providers.keyring import lanes_for
from providers.models import ApiKey, KeyModelPause, LanguageModel, LimitPool
from providers.rules.secret import Secret
from providers.services import (
    key_create,
    key_enable,
    key_note,
    keys_probe,
    keys_recover,
    model_note,
    pair_refused,
    pair_worked,
)
from providers.signals import key_state_changed, model_retired
from tests.factories import make_model, make_provider
from tests.providers.http_server import http_answer, raw_server

pytestmark = pytest.mark.django_db
OVER = timedelta(seconds=1)
CHECK = {"method": "GET", "path": "/models", "ok": [200], "bad_key": [401]}


def make_staff_key(**provider: Any) -> ApiKey:
    return key_create(provider=make_provider(**provider), secret=Secret("sk-planted-0123456789"), actor="ann")


def note(key: ApiKey, outcome: str, **values: Any) -> None:
    key_note(key_id=key.pk, outcome=outcome, message="said so", actor="drain", **values)
    key.refresh_from_db()


def rest_is_over(key: ApiKey) -> None:
    ApiKey.objects.filter(pk=key.pk).update(state_until=Now() - OVER)
    LimitPool.objects.filter(pk=key.pool_id, resting_until__isnull=False).update(resting_until=Now() - OVER)


def states(key: ApiKey) -> list[str]:
    return list(key.events.order_by("id").values_list("to_state", flat=True))


def gates(model: LanguageModel) -> list[str]:
    return [key.gate for pool in lanes_for([model.pk])[model.pk].pools for key in pool.keys]


def test_refused_key_without_a_cheap_call_is_tried_by_a_question_after_an_hour() -> None:
    key = make_staff_key()
    model = make_model(provider=key.provider)
    note(key, "key_invalid")
    assert key.state_until
    assert timedelta(minutes=59) < key.state_until - timezone.now() < timedelta(minutes=61)
    assert (keys_recover(), gates(model)) == (0, [])

    rest_is_over(key)
    assert (keys_recover(), gates(model)) == (1, [f"key:{key.pk}"])

    note(key, "answered")
    assert (key.state, gates(model)) == ("active", [""])
    assert states(key) == ["active", "invalid", "probing", "active"]


def test_refused_key_is_checked_by_the_cheapest_call_and_then_tried_by_a_question() -> None:
    with raw_server(http_answer(b"{}")) as server:
        key = make_staff_key(base_url=server.url, key_check=CHECK)
        note(key, "key_invalid")
        assert keys_probe() == 0
        rest_is_over(key)

        assert (keys_recover(), keys_probe(), keys_probe()) == (0, 1, 0)

    key.refresh_from_db()
    assert (key.state, key.state_until, len(server.requests)) == ("probing", None, 1)
    assert gates(make_model(provider=key.provider)) == [f"key:{key.pk}"]


@pytest.mark.parametrize(
    ("status", "rest"), [("401 Unauthorized", timedelta(hours=1)), ("500 Oops", timedelta(hours=1))]
)
def test_key_that_its_check_does_not_prove_rests_again(status: str, rest: timedelta) -> None:
    with raw_server(http_answer(b"{}", status=status)) as server:
        key = make_staff_key(base_url=server.url, key_check=CHECK)
        note(key, "key_invalid")
        rest_is_over(key)
        keys_probe()

    key.refresh_from_db()
    assert key.state == "invalid"
    assert key.state_until
    assert abs(key.state_until - timezone.now() - rest) < timedelta(minutes=1)


def test_key_whose_prober_died_is_checked_again() -> None:
    key = make_staff_key(key_check=CHECK)
    ApiKey.objects.filter(pk=key.pk).update(state="probing", state_until=Now() - OVER)

    keys_recover()

    key.refresh_from_db()
    assert key.state == "invalid"
    assert key.state_until
    assert key.state_until <= timezone.now()


def test_success_from_before_brings_no_key_back() -> None:
    key = make_staff_key()
    note(key, "quota_exhausted")

    note(key, "answered")

    assert key.state == "exhausted"
    key.pool.refresh_from_db()
    assert key.pool.resting_until


def test_pool_whose_rest_is_over_is_tried_by_one_call() -> None:
    key = make_staff_key()
    model = make_model(provider=key.provider)
    other = key_create(provider=key.provider, secret=Secret("sk-another-0123456789"), actor="ann")
    note(key, "quota_exhausted")
    assert gates(model) == []

    rest_is_over(key)
    keys_recover()
    assert gates(model) == [f"pool:{key.pool_id}"] * 2

    note(other, "answered")
    assert gates(model) == [f"key:{key.pk}", ""]


def test_long_wait_cools_the_key_and_a_short_one_does_not() -> None:
    key = make_staff_key()
    note(key, "rate_limited", retry_after_s=59)
    assert key.state == "active"

    note(key, "rate_limited", retry_after_s=120)
    assert key.state == "cooling"

    rest_is_over(key)
    assert keys_recover() == 1
    key.refresh_from_db()
    assert key.state == "active"


def test_refused_pair_pauses_longer_each_time_until_it_works() -> None:
    key = make_staff_key()
    model, other = make_model(provider=key.provider), make_model(provider=key.provider)
    pair = {"key_id": key.pk, "model_id": model.pk}
    for n, minutes in enumerate((15, 30, 60), start=1):
        assert pair_refused(**pair, message="403") is True
        assert pair_refused(**pair, message="403, in flight at the same time") is False
        pause = KeyModelPause.objects.get()
        assert pause.n_refusals == n
        assert abs(pause.until - timezone.now() - timedelta(minutes=minutes)) < timedelta(minutes=1)
        assert (gates(model), gates(other), pair_worked(**pair)) == ([], [""], False)
        KeyModelPause.objects.update(until=Now() - OVER)
        assert gates(model) == [f"pair:{key.pk}:{model.pk}"]

    assert pair_worked(**pair) is True
    assert gates(model) == [""]


def test_staff_may_end_the_pauses_of_a_key() -> None:
    key = make_staff_key()
    pair_refused(key_id=key.pk, model_id=make_model(provider=key.provider).pk, message="403")

    key_enable(key=key, actor="ann")

    assert not KeyModelPause.objects.exists()


def test_news_goes_out_once_and_after_commit(django_capture_on_commit_callbacks: Any) -> None:
    key, news = make_staff_key(), []
    model = make_model(provider=key.provider)

    def hear(**values: Any) -> None:
        news.append({name: values[name] for name in ("key_id", "to_state", "model_id") if name in values})

    for signal in (key_state_changed, model_retired):
        signal.connect(hear, dispatch_uid="test")
    try:
        with django_capture_on_commit_callbacks(execute=True):
            for _ in range(2):
                note(key, "key_invalid")
                model_note(model_id=model.pk, outcome="model_unknown", message="no such model")
            assert news == []
    finally:
        for signal in (key_state_changed, model_retired):
            signal.disconnect(dispatch_uid="test")

    assert news == [{"key_id": key.pk, "to_state": "invalid"}, {"model_id": model.pk}]
