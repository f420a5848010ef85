"""Limits that answers state: kept once a minute, binding where they are lower."""

from collections.abc import Sequence
from datetime import timedelta

import pytest
from django.db.models.functions import Now

from processing.learning import Learning
from providers.facts import PoolFacts, PoolLimit
from providers.keyring import lanes_for
from providers.models import LanguageModel
from providers.models import LearnedLimit as Row
from providers.rules.limit_headers import LearnedLimit
from providers.services import limits_learn
from tests.factories import make_key, make_limit, make_model

pytestmark = pytest.mark.django_db


@pytest.fixture
def model() -> LanguageModel:
    """A model with a key and 60 requests a minute."""
    model = make_model()
    make_limit(pool=make_key(provider=model.provider).pool, amount=60)
    return model


def learn(model: LanguageModel, *learned: LearnedLimit) -> int:
    return limits_learn(pool_id=model.provider.pools.get().pk, model_id=model.pk, learned=learned)


def amounts(model: LanguageModel) -> Sequence[tuple[str, int]]:
    (pool,) = lanes_for([model.pk])[model.pk].pools
    return sorted((limit.what, limit.amount) for limit in pool.limits)


@pytest.mark.parametrize(("stated", "counts"), [(30, 30), (60, 60), (500, 60)])
def test_stated_limit_binds_where_it_is_lower(model: LanguageModel, stated: int, counts: int) -> None:
    learn(model, LearnedLimit("requests", stated, 60))

    assert amounts(model) == [("requests", counts)]


def test_stated_limit_that_nobody_configured_binds(model: LanguageModel) -> None:
    learn(
        model,
        LearnedLimit("tokens", 8000, 60),
        LearnedLimit("requests", 1000, 86_400),
        LearnedLimit("tokens", 5, None),
    )

    assert amounts(model) == [("requests", 60), ("tokens", 8000)]
    assert Row.objects.count() == 2


def test_stated_limit_is_noted_once_a_minute_and_forgotten_after_a_day(model: LanguageModel) -> None:
    assert [learn(model, LearnedLimit("requests", amount, 60)) for amount in (30, 20)] == [1, 0]
    assert amounts(model) == [("requests", 30)]

    Row.objects.update(seen_at=Now() - timedelta(seconds=55))
    assert learn(model, LearnedLimit("requests", 20, 60)) == 1
    assert amounts(model) == [("requests", 20)]

    Row.objects.update(seen_at=Now() - timedelta(hours=25))
    assert amounts(model) == [("requests", 60)]


@pytest.mark.parametrize(("configured", "wait_s"), [(10, 0.0), (60, 0.0), (61, 20.0)])
def test_used_up_limit_stops_the_lane_unless_our_own_is_as_tight(configured: int, wait_s: float) -> None:
    pool = PoolFacts(1, None, (PoolLimit("requests", configured, 60_000, "1"),), (), False)
    headers = {
        "x-ratelimit-limit-requests": "60",
        "x-ratelimit-remaining-requests": "0",
        "x-ratelimit-reset-requests": "20s",
    }

    assert Learning().read(pool, 7, headers, quirks={}) == wait_s


def test_what_a_drain_learned_is_told_to_the_record(model: LanguageModel) -> None:
    (pool,) = lanes_for([model.pk])[model.pk].pools
    learning = Learning()
    learning.read(pool, model.pk, {"x-ratelimit-limit-requests": "12"}, quirks={})

    learning.tell()

    assert list(Row.objects.values_list("what", "amount", "per_s")) == [("requests", 12, 60)]
