"""How many drains are sent, and where: never more than the work needs or the fleet has."""

import uuid
from typing import Any

import pytest
from django.conf import settings
from redis import Redis

from processing import queue
from processing.dispatch import drains_dispatch, queue_for
from processing.models import Drain, Run
from tests.factories import make_domain, make_key, make_model, make_prompt_version, make_run

pytestmark = pytest.mark.django_db


def make_open_run(**values: Any) -> Run:
    key = make_key()
    model = make_model(provider=key.provider)
    return make_run(domains=(make_domain(),), versions=(make_prompt_version(),), models=(model,), **values)


def n_queued() -> int:
    return sum(queue.drain_queue_lengths().values())


def test_one_drain_for_little_work_however_often_it_is_dispatched() -> None:
    make_open_run()

    assert [drains_dispatch() for _ in range(3)] == [1, 0, 0]
    assert n_queued() == 1


def test_no_drain_while_one_beats_that_can_do_the_work() -> None:
    make_open_run()
    Drain.objects.create(queue="default", host="here", pid=1)

    assert drains_dispatch() == 0


def test_new_drain_when_the_only_one_is_at_the_end_of_its_slice() -> None:
    make_open_run()
    Drain.objects.create(queue="default", host="here", pid=1, end=Drain.End.SLICE)

    assert drains_dispatch() == 1


@pytest.mark.parametrize(
    "values",
    [{"paused_at": "2026-11-24T00:00Z"}, {"cancelled_at": "2026-11-24T00:00Z"}, {"drain_only": uuid.uuid4()}],
)
def test_no_drain_for_a_run_that_may_not_be_asked(values: dict[str, Any]) -> None:
    make_open_run(**values)

    assert drains_dispatch() == 0


def test_no_drain_for_a_model_without_a_usable_key() -> None:
    run = make_open_run()
    run.language_models.get().provider.keys.update(state="invalid")

    assert drains_dispatch() == 0


def test_question_that_cost_two_workers_gets_a_careful_drain() -> None:
    run = make_open_run()
    run.questions.update(n_losses=2)

    assert drains_dispatch() == 1

    (job,) = queue.queue("default").jobs
    assert job.kwargs == {"careful": True}


@pytest.mark.parametrize(
    ("priority", "name"), [(10, "high"), (8, "high"), (7, "default"), (4, "default"), (3, "low")]
)
def test_queue_follows_the_priority(priority: int, name: str) -> None:
    assert queue_for(priority) == name


def test_redis_away_is_a_log_line_and_no_error(
    monkeypatch: pytest.MonkeyPatch, caplog: pytest.LogCaptureFixture
) -> None:
    make_open_run()
    away = {name: {**values, "URL": "redis://127.0.0.1:1/0"} for name, values in settings.RQ_QUEUES.items()}
    monkeypatch.setattr(settings, "RQ_QUEUES", away)

    assert drains_dispatch() == 0
    assert "Redis does not answer" in caplog.text


def test_fleet_is_counted_by_workers_with_a_living_entry() -> None:
    with Redis.from_url(settings.REDIS_URL) as client:
        for name in ("a", "b"):
            client.sadd("rq:workers:default", f"rq:worker:{name}")
        client.hset("rq:worker:a", "birth", "now")

    assert queue.workers_alive() == 1
