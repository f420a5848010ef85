"""Health: each part is judged by itself, a part that hangs delays nobody, messages are for operators."""

import socket
import threading
import time
from collections.abc import Callable, Iterator
from datetime import timedelta
from typing import Any

import pytest
from django.db import connection
from django.db.migrations.loader import MigrationLoader
from django.db.migrations.recorder import MigrationRecorder
from django.db.models.functions import Now
from django.test import Client
from rest_framework.test import APIClient

from monitoring.health import PROBES, Check, Probe, Prober
from processing.models import Drain, Leader, Question
from tests.factories import make_domain, make_model, make_prompt_version, make_run

HEALTH = "/api/v2/health"


def finding(name: str) -> tuple[str, str]:
    return next(probe for probe in PROBES if probe.name == name).ask()


def prober_of(*statuses: str) -> Prober:
    probes = [Probe(f"part{n}", lambda: ("ok", ""), is_vital=n == 0) for n in range(len(statuses))]
    return Prober(probes)


@pytest.mark.parametrize(
    ("statuses", "health"),
    [
        (("ok", "ok"), "healthy"),
        (("ok", "warning"), "degraded"),
        (("ok", "failed"), "degraded"),
        (("warning", "ok"), "degraded"),
        (("failed", "ok"), "unhealthy"),
        (("failed", "failed"), "unhealthy"),
    ],
)
def test_conclusion_follows_the_rule(statuses: tuple[Any, ...], health: str) -> None:
    checks = [Check(f"part{n}", status, "", 1) for n, status in enumerate(statuses)]

    assert prober_of(*statuses).health(checks) == health


def test_hanging_probe_costs_only_the_deadline_and_is_not_doubled() -> None:
    release = threading.Event()
    starts: list[int] = []
    hanging = Probe("hanging", lambda: (starts.append(1), release.wait(20), ("ok", "late"))[2], is_vital=True)  # type: ignore[func-returns-value]
    prober = Prober([hanging, Probe("quick", lambda: ("ok", "fine"), is_vital=True)], deadline_s=0.2)

    started_s = time.monotonic()
    first, second = prober.checks(), prober.checks()
    took_s = time.monotonic() - started_s
    release.set()

    assert [check.status for check in (*first, *second)] == ["failed", "ok", "failed", "ok"]
    assert first[0].message.startswith("no answer within")
    assert took_s < 0.8
    assert len(starts) == 1


@pytest.mark.django_db
def test_probes_of_a_service_at_rest() -> None:
    assert finding("database") == ("ok", connection.vendor)
    assert finding("migrations") == ("ok", "all applied")
    assert finding("redis") == ("ok", "answers")
    assert finding("workers") == ("warning", "0 alive")
    assert finding("scheduler") == ("warning", "has never acted")
    assert finding("waiting_questions") == ("ok", "nothing waits too long")


@pytest.mark.django_db
@pytest.mark.parametrize(("silent_s", "status"), [(5, "ok"), (29, "ok"), (31, "warning")])
def test_scheduler_is_judged_by_its_last_round(silent_s: int, status: str) -> None:
    Leader.objects.create(role="scheduler", holder="h", acted_at=Now() - timedelta(seconds=silent_s))

    assert finding("scheduler")[0] == status


@pytest.mark.django_db
@pytest.mark.parametrize(
    ("waited_s", "has_drain", "is_paused", "status"),
    [
        (800, False, False, "ok"),
        (1000, False, False, "warning"),
        (1000, True, False, "ok"),
        (1000, False, True, "ok"),
    ],
)
def test_questions_wait_too_long_only_when_nobody_asks(
    waited_s: int, has_drain: bool, is_paused: bool, status: str
) -> None:
    run = make_run(domains=(make_domain(),), versions=(make_prompt_version(),), models=(make_model(),))
    Question.objects.update(due_at=Now() - timedelta(seconds=waited_s))
    if has_drain:
        Drain.objects.create(host="h", pid=1)
    if is_paused:
        type(run).objects.update(paused_at=Now())

    assert finding("waiting_questions")[0] == status


@pytest.mark.django_db(transaction=True)
def test_missing_migration_is_unhealthy() -> None:
    newest = next(iter(MigrationLoader(connection).graph.leaf_nodes("processing")))
    MigrationRecorder(connection).record_unapplied(*newest)
    try:
        assert finding("migrations")[0] == "failed"
        assert APIClient().get(HEALTH).status_code == 503
    finally:
        MigrationRecorder(connection).record_applied(*newest)


@pytest.mark.django_db(transaction=True)
def test_health_is_open_and_its_messages_are_for_operators(client_for: Callable[..., APIClient]) -> None:
    in_public = APIClient().get(HEALTH).json()
    for_readers = client_for("read", name="reader").get(HEALTH).json()
    for_operators = client_for("operate", name="operator").get(HEALTH).json()

    assert in_public["status"] == "degraded"
    assert list(in_public) == ["status", "checks", "version", "uptime_s", "timestamp"]
    assert [check["name"] for check in in_public["checks"]] == [probe.name for probe in PROBES]
    assert {check["message"] for check in in_public["checks"] + for_readers["checks"]} == {None}
    assert for_operators["checks"][3]["message"] == "0 alive"


@pytest.fixture
def silent_server() -> Iterator[int]:
    """A port that takes connections and never says a word."""
    with socket.create_server(("127.0.0.1", 0), backlog=50) as server:
        yield server.getsockname()[1]


@pytest.mark.django_db(transaction=True)
@pytest.mark.parametrize("address", ["redis://127.0.0.1:{port}/0", "redis://127.0.0.1:9/0"])
def test_health_answers_in_time_when_redis_hangs_or_is_away(
    silent_server: int, settings: Any, monkeypatch: pytest.MonkeyPatch, address: str
) -> None:
    queues = {
        name: {**queue, "URL": address.format(port=silent_server)}
        for name, queue in settings.RQ_QUEUES.items()
    }
    monkeypatch.setattr("django_rq.settings.QUEUES", queues)

    started_s = time.monotonic()
    answer = APIClient().get(HEALTH)

    assert time.monotonic() - started_s < 2
    assert (answer.status_code, answer.json()["status"]) == (503, "unhealthy")
    assert next(check for check in answer.json()["checks"] if check["name"] == "redis")["status"] == "failed"


@pytest.mark.django_db(transaction=True)
def test_ready_only_with_every_vital_part(monkeypatch: pytest.MonkeyPatch) -> None:
    ready = Client().get("/readyz")
    monkeypatch.setattr("processing.queue.ping", lambda: False)
    not_ready = Client().get("/readyz")

    assert (ready.status_code, ready.json()["status"]) == (200, "ready")
    assert (not_ready.status_code, not_ready.json()["checks"]["redis"]) == (503, "failed")
    assert Client().get("/livez").json() == {"status": "ok"}
