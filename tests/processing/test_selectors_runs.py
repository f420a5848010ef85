"""The time left of a run: the pace it has, or that of its limits where it waits for them."""

from uuid import uuid4

import pytest
from django.db.models.functions import Now

from processing.models import Drain
from processing.rules.status import Coverage
from processing.selectors.runs import LaneView, eta_s, lanes_for
from processing.selectors.stats import queue_figures
from providers.clock import database_now
from providers.models import LanguageModel
from providers.usage import UsageRow, usage_add
from tests.factories import (
    make_domain,
    make_key,
    make_limit,
    make_model,
    make_pool,
    make_prompt_version,
    make_run,
)


def lane(*, n_open: int, per_minute: float | None, limit: float | None = None) -> LaneView:
    coverage = Coverage(n_open)
    return LaneView(
        LanguageModel(name="m"), coverage, per_minute, "its rate limit" if limit else "", None, limit
    )


@pytest.mark.parametrize(
    ("lanes", "seconds"),
    [
        ([], 0.0),
        ([lane(n_open=300, per_minute=60)], 300.0),
        ([lane(n_open=300, per_minute=60), lane(n_open=10, per_minute=600)], 300.0),
        ([lane(n_open=300, per_minute=60, limit=30)], 600.0),
        ([lane(n_open=300, per_minute=20, limit=30)], 900.0),
        ([lane(n_open=0, per_minute=None)], 0.0),
        ([lane(n_open=300, per_minute=60), lane(n_open=1, per_minute=None)], None),
    ],
)
def test_time_left(lanes: list[LaneView], seconds: float | None) -> None:
    assert eta_s(lanes) == seconds


def waiting_lane(model: LanguageModel, *, waiting_for: str = "its rate limit") -> LaneView:
    run = make_run(
        domains=(make_domain(),), versions=(make_prompt_version(),), models=(model,), started_at=Now()
    )
    state = {"model": model.pk, "in_flight": 0, "waiting_for": waiting_for}
    Drain.objects.create(queue="default", host="here", pid=1, lanes=[state])
    (found,) = lanes_for(run)
    return found


@pytest.mark.django_db
def test_lane_that_waits_for_its_limits_knows_their_pace() -> None:
    model = make_model()
    pools = [make_pool(provider=model.provider, name=name) for name in ("default", "second")]
    for pool, amount, per_s in ((pools[0], 30, 60), (pools[0], 100_000, 86_400), (pools[1], 1_440, 86_400)):
        make_limit(pool=pool, amount=amount, per_s=per_s)
    for pool in pools:
        make_key(pool=pool)

    assert waiting_lane(model).limit_per_minute == 31.0


@pytest.mark.django_db
def test_pace_of_limits_is_unknown_where_a_pool_has_none_or_nothing_waits() -> None:
    unlimited, asking = make_model(), make_model()
    make_key(provider=unlimited.provider)
    make_key(provider=asking.provider)
    make_limit(pool=make_pool(provider=asking.provider))

    assert waiting_lane(unlimited).limit_per_minute is None
    assert waiting_lane(asking, waiting_for="").limit_per_minute is None


@pytest.mark.django_db
@pytest.mark.parametrize(("waiting_for", "left_s"), [("", 6.0), ("its rate limit", 60.0)])
def test_time_left_of_all_follows_the_limits_where_they_bind(waiting_for: str, left_s: float) -> None:
    model = make_model()
    key = make_key(provider=model.provider)
    make_limit(pool=key.pool, amount=1, per_s=60)
    waiting_lane(model, waiting_for=waiting_for)  # one question waits
    at = database_now().replace(second=0, microsecond=0)
    usage_add([UsageRow(at, uuid4(), model.provider_id, model.pk, key.pk, "answered", 50)])

    assert queue_figures()["eta_s"] == left_s
