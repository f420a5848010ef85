"""What the drain is given to ask with, and why a model cannot be asked."""

from datetime import timedelta
from typing import Any
from uuid import uuid4

import pytest
from django.utils import timezone

from providers.catalogue import catalogue_load
from providers.facts import PoolLimit
from providers.keyring import askable_model_ids, lanes_for
from providers.models import ApiKey, LanguageModel, Limit
from providers.rules.secret import Secret
from providers.selectors import blocked_reasons, keys_overview
from providers.services import key_create, key_disable
from providers.usage import UsageRow, usage_add
from tests.factories import make_key, make_limit, make_model, make_pool, make_provider

pytestmark = pytest.mark.django_db


def blocked(model: LanguageModel) -> str:
    """Return why a model is blocked; every reader must say the same."""
    reason = lanes_for([model.pk])[model.pk].blocked
    assert blocked_reasons([model.pk]) == {model.pk: reason}
    assert (model.pk in askable_model_ids()) is (reason == "")
    return reason


def test_lane_with_everything() -> None:
    model = make_model(max_output_tokens=4096, refused_fields=["top_p"], request_options={"a": 1})
    model.provider.extra_body = {"b": 2}
    model.provider.save()
    key = key_create(provider=model.provider, secret=Secret("sk-0123456789ab"), actor="ann")
    make_limit(pool=key.pool, amount=30)
    make_limit(pool=key.pool, what="in_flight", amount=4, per_s=0, model=model)
    make_limit(pool=key.pool, amount=9, model=make_model(provider=model.provider))
    make_limit(pool=key.pool, what="tokens", amount=9000)

    lane = lanes_for([model.pk])[model.pk]

    assert (lane.model_id, lane.provider_id, lane.blocked) == (model.pk, model.provider_id, "")
    assert lane.target.request_options == {"a": 1, "b": 2}
    assert (lane.target.max_output_tokens, lane.target.refused_fields, lane.target.timeout_s) == (
        4096,
        ("top_p",),
        60.0,
    )
    (pool,) = lane.pools
    assert set(pool.limits) == {
        PoolLimit("requests", 30, 60_000, f"{pool.id}"),
        PoolLimit("in_flight", 4, None, f"{pool.id}:{model.pk}"),
        PoolLimit("tokens", 9000, 60_000, f"{pool.id}"),
    }
    assert [(one.id, one.last4, one.secret) for one in pool.keys] == [
        (key.pk, "89ab", Secret("sk-0123456789ab"))
    ]
    assert not pool.has_recent_calls


def test_two_keys_of_one_account_share_a_pool() -> None:
    model = make_model()
    for plain in ("sk-one-0123456789", "sk-two-0123456789"):
        key_create(provider=model.provider, secret=Secret(plain), actor="ann")
    other = make_pool(provider=model.provider, name="second account")
    key_create(provider=model.provider, secret=Secret("sk-three-0123456789"), pool=other, actor="ann")

    assert [len(pool.keys) for pool in lanes_for([model.pk])[model.pk].pools] == [2, 1]


def test_lanes_cost_the_same_queries_for_one_and_many(django_assert_num_queries: Any) -> None:
    catalogue_load()
    ids = list(LanguageModel.objects.values_list("pk", flat=True))

    for chosen in (ids[:1], ids):
        with django_assert_num_queries(8):
            assert len(lanes_for(chosen)) == len(chosen)


@pytest.mark.parametrize(
    ("provider_values", "model_values", "reason"),
    [
        ({}, {}, ""),
        ({"is_enabled": False}, {}, "provider disabled"),
        ({"is_enabled": False, "service": "sunset"}, {}, "the provider has retired this service"),
        ({"protocol": "telegraph"}, {}, "its wire format is not supported yet"),
        ({}, {"lane": "retired"}, "model retired"),
        ({}, {"lane": "paused"}, "paused by staff"),
        ({}, {"lane": "paused", "lane_reason": "too dear"}, "paused: too dear"),
        ({}, {"lane": "paused", "lane_until": timezone.now() + timedelta(hours=1)}, "paused by staff"),
        ({}, {"lane": "paused", "lane_until": timezone.now() - timedelta(hours=1)}, ""),
    ],
)
def test_blocked_by_provider_or_model(
    provider_values: dict[str, Any], model_values: dict[str, Any], reason: str
) -> None:
    model = make_model(provider=make_provider(**provider_values), **model_values)
    make_key(provider=model.provider)

    assert blocked(model) == reason


@pytest.mark.parametrize(
    ("state", "until_s", "is_usable"),
    [
        ("active", None, True),
        ("cooling", -1, True),
        ("cooling", 60, False),
        ("exhausted", -1, True),
        ("exhausted", 60, False),
        ("invalid", None, False),
        ("disabled", None, False),
        ("unreadable", None, False),
        ("probing", None, True),
        ("probing", 60, False),
    ],
)
def test_usable_states(state: str, until_s: int | None, is_usable: bool) -> None:
    model = make_model()
    until = None if until_s is None else timezone.now() + timedelta(seconds=until_s)
    make_key(provider=model.provider, state=state, state_until=until)

    assert blocked(model) == ("" if is_usable else "no usable key")


def test_empty_key_steps_back_while_a_real_one_is_in_service() -> None:
    model = make_model()
    empty = make_key(provider=model.provider)
    real = key_create(provider=model.provider, secret=Secret("sk-0123456789ab"), actor="ann")

    assert [key.id for pool in lanes_for([model.pk])[model.pk].pools for key in pool.keys] == [real.pk]
    key_disable(key=real, actor="ann")
    assert [key.id for pool in lanes_for([model.pk])[model.pk].pools for key in pool.keys] == [empty.pk]


def test_key_that_cannot_be_decrypted_is_a_state(settings: Any) -> None:
    model = make_model()
    key = key_create(provider=model.provider, secret=Secret("sk-0123456789ab"), actor="ann")
    settings.FIELD_ENCRYPTION_KEYS = {"other": b"3" * 32}

    assert lanes_for([model.pk])[model.pk].blocked == "no usable key"

    key.refresh_from_db()
    assert key.state == "unreadable"
    assert "FIELD_ENCRYPTION_KEYS" in key.state_reason
    assert lanes_for([model.pk])[model.pk].blocked == "no usable key"
    assert key.events.count() == 2


def test_ciphertext_copied_from_another_row_is_unreadable() -> None:
    model = make_model()
    source = key_create(provider=make_provider(), secret=Secret("sk-0123456789ab"), actor="ann")
    target = key_create(provider=model.provider, secret=Secret("sk-other-0123456789"), actor="ann")
    ApiKey.objects.filter(pk=target.pk).update(ciphertext=source.ciphertext)

    assert lanes_for([model.pk])[model.pk].pools == ()


def test_recent_calls_are_seen() -> None:
    model = make_model()
    key = make_key(provider=model.provider)
    now = timezone.now()
    for minutes, is_recent in ((10, False), (1, True)):
        row = UsageRow(
            now - timedelta(minutes=minutes), uuid4(), model.provider_id, model.pk, key.pk, "answered", 1
        )
        usage_add([row])
        assert lanes_for([model.pk])[model.pk].pools[0].has_recent_calls is is_recent


def test_unknown_ids_are_left_out() -> None:
    assert lanes_for([987654]) == {}
    assert blocked_reasons([987654]) == {}


def test_overview_counts_usable_keys_truthfully() -> None:
    good, off = make_provider("alpha"), make_provider("beta", is_enabled=False)
    make_key(provider=good)
    make_key(provider=good, state="invalid")
    make_key(provider=off)

    overview = keys_overview()

    assert [(one.provider, one.usable, one.total) for one in overview.providers] == [
        ("alpha", 1, 2),
        ("beta", 0, 1),
    ]
    assert overview.usable_keys == 1


def test_limits_of_the_catalogue_reach_the_lane() -> None:
    catalogue_load()
    model = LanguageModel.objects.get(name="openai/gpt-oss-20b", provider__name="groq")
    key_create(provider=model.provider, secret=Secret("gsk-0123456789ab"), actor="ann")

    limits = {limit.what: limit.amount for limit in lanes_for([model.pk])[model.pk].pools[0].limits}

    assert limits == {Limit.What.REQUESTS: 30, Limit.What.IN_FLIGHT: 256}
