"""The life of a key: each proof changes it once, with an event; rests end by themselves."""

from concurrent.futures import ThreadPoolExecutor
from datetime import timedelta
from typing import Any

import pytest
from django.db import connection
from django.db.models.functions import Now
from django.utils import timezone

from providers.environment import ProviderSettings
from providers.errors import DuplicateKey, InvalidSecret, WrongKeyState
from providers.models import ApiKey, KeyEvent, LanguageModel, Provider
from providers.rules.secret import Secret
from providers.secrets import secret_of
from providers.services import (
    key_create,
    key_disable,
    key_enable,
    key_note,
    key_secret_replace,
    key_transition,
    keys_recover,
    keys_sync_environment,
    lane_activate,
    lane_pause,
    lanes_recover,
    model_note,
    model_refuses,
    pool_rest_end,
    refusals_forget,
)
from tests.factories import make_model, make_pool, make_provider

pytestmark = pytest.mark.django_db
PLAIN = "sk-planted-0123456789"


def make_staff_key(provider: Provider | None = None, plain: str = PLAIN) -> ApiKey:
    """Enter a key as staff do."""
    return key_create(provider=provider or make_provider(), secret=Secret(plain), label="main", actor="ann")


def steps(key: ApiKey) -> list[tuple[str, str, str]]:
    """Return the time line of a key, oldest first, as (from, to, actor)."""
    return list(key.events.order_by("id").values_list("from_state", "to_state", "actor"))


def note(key: ApiKey, outcome: str, *, message: str = "said so", retry_after_s: float | None = None) -> None:
    """Note an outcome and read the key again."""
    key_note(key_id=key.pk, outcome=outcome, message=message, retry_after_s=retry_after_s, actor="drain")
    key.refresh_from_db()


def test_key_is_stored_encrypted() -> None:
    key = make_staff_key()

    assert PLAIN not in str(ApiKey.objects.filter(pk=key.pk).values())
    assert (key.last4, key.state, key.pool.name) == ("6789", "active", "default")
    assert secret_of(key) == Secret(PLAIN)
    assert steps(key) == [("", "active", "ann")]


def test_same_key_twice_is_refused() -> None:
    key = make_staff_key()

    with pytest.raises(DuplicateKey) as raised:
        make_staff_key(key.provider)
    assert PLAIN not in str(raised.value.fields)
    assert ApiKey.objects.count() == 1


def test_same_key_at_another_provider_is_fine() -> None:
    make_staff_key()

    assert make_staff_key().pk


@pytest.mark.parametrize("plain", ["", "two words", "new\nline", "schlüssel", "x" * 4097])
def test_unsendable_key_is_refused(plain: str) -> None:
    with pytest.raises(InvalidSecret):
        make_staff_key(plain=plain)


def test_pool_of_another_provider_is_refused() -> None:
    with pytest.raises(WrongKeyState):
        key_create(provider=make_provider(), secret=Secret(PLAIN), pool=make_pool(), actor="ann")


def test_first_proof_takes_an_invalid_key_out_of_service_once() -> None:
    key = make_staff_key()

    note(key, "key_invalid", message=f"Incorrect API key provided: {PLAIN}")
    note(key, "key_invalid")

    assert key.state == "invalid"
    assert steps(key)[1:] == [("active", "invalid", "drain")]
    assert PLAIN not in key.state_reason + key.last_error + KeyEvent.objects.latest("id").cause


@pytest.mark.parametrize(("retry_after_s", "rest_s"), [(None, 900), (60.0, 60)])
def test_no_credit_rests_key_and_pool(retry_after_s: float | None, rest_s: int) -> None:
    key = make_staff_key()

    note(key, "quota_exhausted", retry_after_s=retry_after_s)

    key.pool.refresh_from_db()
    assert key.state == "exhausted"
    assert key.state_until is not None
    assert key.pool.resting_until == key.state_until
    assert abs((key.state_until - timezone.now()).total_seconds() - rest_s) < 30
    assert steps(key)[1:] == [("active", "exhausted", "drain")]


def test_rest_ends_by_itself_and_one_question_tries_the_key() -> None:
    key = make_staff_key()
    note(key, "quota_exhausted")
    assert keys_recover() == 0

    ApiKey.objects.update(state_until=Now() - timedelta(seconds=1))

    assert keys_recover() == 1
    assert keys_recover() == 0
    assert steps(key)[2:] == [("exhausted", "probing", "scheduler")]


@pytest.mark.parametrize("outcome", ["permission", "timeout", "overloaded", "rate_limited", "bad_request"])
def test_other_failures_are_only_noted(outcome: str) -> None:
    key = make_staff_key()

    note(key, outcome, message="told us so")

    assert (key.state, key.last_error) == ("active", f"{outcome}: told us so")
    assert key.last_error_at
    assert len(steps(key)) == 1


@pytest.mark.parametrize("outcome", ["answered", "truncated", "refused", "empty"])
def test_success_is_noted_at_most_once_a_minute(outcome: str) -> None:
    key = make_staff_key()
    note(key, outcome)
    first = key.last_ok_at
    note(key, outcome)
    assert first
    assert key.last_ok_at == first

    ApiKey.objects.update(last_ok_at=first - timedelta(seconds=61))
    note(key, outcome)

    assert key.last_ok_at >= first


def test_late_proof_changes_no_disabled_key() -> None:
    key = make_staff_key()
    key_disable(key=key, actor="ann")

    note(key, "key_invalid")
    note(key, "quota_exhausted")

    assert key.state == "disabled"


def test_disable_and_enable() -> None:
    key = make_staff_key()

    assert [
        key_disable(key=key, actor="ann"),
        key_disable(key=key, actor="ann"),
        key_enable(key=key, actor="bob"),
    ] == [
        True,
        False,
        True,
    ]
    assert steps(key)[1:] == [("active", "disabled", "ann"), ("disabled", "active", "bob")]


def test_replaced_secret_puts_the_key_into_service() -> None:
    key = make_staff_key()
    note(key, "key_invalid")

    key_secret_replace(key=key, secret=Secret("sk-second-9876543210"), actor="ann")

    assert (key.state, key.last4, secret_of(key)) == ("active", "3210", Secret("sk-second-9876543210"))
    assert steps(key)[-1] == ("invalid", "active", "ann")


def test_enable_of_an_unreadable_key_says_what_to_do(settings: Any) -> None:
    key = make_staff_key()
    settings.FIELD_ENCRYPTION_KEYS = {"other": b"3" * 32}

    with pytest.raises(WrongKeyState, match="Enter the key again"):
        key_enable(key=key, actor="ann")


def environment(settings: Any, **keys: str) -> list[tuple[str, str, str]]:
    """Sync with these variables; returns (variable, state, last4) of all environment keys."""
    found = ProviderSettings(keys={name: Secret(plain) for name, plain in keys.items()})
    settings.PROVIDER_SETTINGS = {"ACME": found}
    keys_sync_environment()
    held = ApiKey.objects.filter(source="environment").order_by("id")
    return list(held.values_list("environment_name", "state", "last4"))


@pytest.fixture
def acme() -> Provider:
    """A provider whose keys come from the environment."""
    return make_provider("acme", env_prefix="ACME")


def test_environment_keys_become_rows_without_their_secret(settings: Any, acme: Provider) -> None:
    first = environment(settings, ACME_API_KEY=PLAIN, ACME_API_KEY_2="sk-second-0123456789")
    again = environment(settings, ACME_API_KEY=PLAIN, ACME_API_KEY_2="sk-second-0123456789")

    assert first == again == [("ACME_API_KEY", "active", "6789"), ("ACME_API_KEY_2", "active", "6789")]
    assert set(ApiKey.objects.values_list("ciphertext", flat=True)) == {""}
    assert secret_of(ApiKey.objects.select_related("provider")[0]) == Secret(PLAIN)


def test_environment_key_that_is_gone_leaves_service_and_comes_back(settings: Any, acme: Provider) -> None:
    environment(settings, ACME_API_KEY=PLAIN)

    assert environment(settings) == [("ACME_API_KEY", "disabled", "6789")]
    assert environment(settings, ACME_API_KEY=PLAIN) == [("ACME_API_KEY", "active", "6789")]


def test_environment_key_that_staff_disabled_stays_disabled(settings: Any, acme: Provider) -> None:
    environment(settings, ACME_API_KEY=PLAIN)
    key_disable(key=ApiKey.objects.get(), actor="ann")

    assert environment(settings, ACME_API_KEY=PLAIN) == [("ACME_API_KEY", "disabled", "6789")]


def test_one_secret_in_two_variables_is_one_key(settings: Any, acme: Provider) -> None:
    names = {"ACME_API_KEY": PLAIN, "ACME_API_KEY_2": PLAIN}

    assert (
        environment(settings, **names)
        == environment(settings, **names)
        == [("ACME_API_KEY", "active", "6789")]
    )


def test_secret_that_moved_to_another_variable_is_the_same_key(settings: Any, acme: Provider) -> None:
    environment(settings, ACME_API_KEY=PLAIN)

    assert environment(settings, ACME_API_KEY_2=PLAIN) == [("ACME_API_KEY_2", "active", "6789")]


def test_key_that_staff_entered_is_not_doubled_by_the_environment(settings: Any, acme: Provider) -> None:
    make_staff_key(acme)

    assert environment(settings, ACME_API_KEY=PLAIN) == []


def test_provider_that_needs_no_key_gets_an_empty_one() -> None:
    provider = make_provider(needs_key=False)

    keys_sync_environment()
    keys_sync_environment()

    assert list(provider.keys.values_list("source", "state", "last4")) == [("none", "active", "")]


def test_unknown_model_pauses_its_lane_for_an_hour() -> None:
    model = make_model()

    model_note(model_id=model.pk, outcome="model_unknown", message="gone")
    model_note(model_id=model.pk, outcome="timeout", message="slow")

    model.refresh_from_db()
    assert (model.lane, model.lane_reason) == ("paused", "unknown at the provider: gone")
    assert model.lane_until
    assert 3500 < (model.lane_until - timezone.now()).total_seconds() < 3700


def test_pause_with_an_end_is_over_by_itself() -> None:
    model = make_model(lane="paused", lane_until=timezone.now() - timedelta(minutes=1), lane_reason="gone")
    by_staff = make_model(lane="paused")

    assert lanes_recover() == 1
    assert list(LanguageModel.objects.filter(lane="paused")) == [by_staff]
    model.refresh_from_db()
    assert (model.lane, model.lane_reason, model.lane_until) == ("active", "", None)


def test_unknown_model_does_not_shorten_a_pause_by_staff() -> None:
    model = make_model()
    lane_pause(model_id=model.pk, reason="too dear", actor="ann")

    model_note(model_id=model.pk, outcome="model_unknown", message="gone")

    model.refresh_from_db()
    assert (model.lane_reason, model.lane_until) == ("too dear (ann)", None)


def test_lane_pause_and_activate() -> None:
    pk = make_model().pk

    assert [
        lane_pause(model_id=pk, reason="r", actor="ann"),
        lane_pause(model_id=pk, reason="r", actor="ann"),
    ] == [True, False]
    assert [lane_activate(model_id=pk), lane_activate(model_id=pk)] == [True, False]


def test_refused_field_is_remembered_once() -> None:
    model = make_model()

    assert [model_refuses(model_id=model.pk, field=name) for name in ("top_p", "top_p", "stop")] == [
        True,
        False,
        True,
    ]
    model.refresh_from_db()
    assert model.refused_fields == ["top_p", "stop"]
    assert [refusals_forget(model_id=model.pk), refusals_forget(model_id=model.pk)] == [True, False]


def test_rest_of_a_pool_can_be_ended() -> None:
    key = make_staff_key()
    note(key, "quota_exhausted")

    assert [pool_rest_end(pool_id=key.pool_id), pool_rest_end(pool_id=key.pool_id)] == [True, False]


@pytest.mark.django_db(transaction=True)
def test_of_many_drains_with_the_same_proof_one_writes_the_event() -> None:
    key = make_staff_key()

    def prove() -> bool:
        try:
            return key_transition(
                key_id=key.pk, to_state=ApiKey.State.INVALID, cause="refused", actor="drain"
            )
        finally:
            connection.close()

    with ThreadPoolExecutor(8) as pool:
        proofs = [pool.submit(prove) for _ in range(16)]

    assert sum(proof.result() for proof in proofs) == 1
    assert steps(key)[1:] == [("active", "invalid", "drain")]
