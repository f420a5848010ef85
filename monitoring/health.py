"""Says whether the service works: a probe per part, each in a thread of its own with a deadline.

A part that hangs costs its own probe and never the answer; while it hangs no second probe of it is started.
The rule: without database, with unapplied migrations or without Redis nothing works (unhealthy); without
workers or scheduler, or while due questions wait and nobody asks, less works than should (degraded).
Not here: figures over time, alerts, who may see the messages (`api.py`).
"""

import time
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from datetime import timedelta
from threading import Event, Lock, Thread
from typing import Literal

from django.db import DatabaseError, connection, connections
from django.db.migrations.executor import MigrationExecutor
from django.db.models.functions import Now
from redis.exceptions import RedisError

from processing import queue
from processing.models import Drain, Leader, Question

Status = Literal["ok", "warning", "failed"]
Health = Literal["healthy", "degraded", "unhealthy"]
Finding = tuple[Status, str]

DEADLINE_S = 1.5  # of the promised 2 s, the rest is for everything around the probes
SCHEDULER_SILENT_AFTER = timedelta(seconds=30)
WAITED_TOO_LONG = timedelta(minutes=15)


@dataclass(frozen=True)
class Check:
    """What one probe found, and how long it took (until the deadline, when it did not come back)."""

    name: str
    status: Status
    message: str
    duration_ms: int


@dataclass(frozen=True)
class Probe:
    """A question to one part; without a vital part nothing works."""

    name: str
    ask: Callable[[], Finding]
    is_vital: bool


class Probing:
    """One probe under way in its thread."""

    def __init__(self, probe: Probe) -> None:
        self.probe = probe
        self.finding: Finding = ("failed", "")
        self.duration_ms = 0
        self.done = Event()
        self._started_s = time.monotonic()
        Thread(target=self._run, name=f"probe-{probe.name}", daemon=True).start()

    def _run(self) -> None:
        try:
            self.finding = self.probe.ask()
        except (DatabaseError, RedisError) as error:
            self.finding = ("failed", f"{type(error).__name__}: {str(error)[:200]}")
        finally:
            self.duration_ms = self._elapsed_ms()
            connections.close_all()
            self.done.set()

    def _elapsed_ms(self) -> int:
        return round((time.monotonic() - self._started_s) * 1000)

    def check(self, *, until_s: float) -> Check:
        """Wait for the finding until the monotonic instant, and not longer."""
        if self.done.wait(max(0.0, until_s - time.monotonic())):
            return Check(self.probe.name, *self.finding, self.duration_ms)
        waited_ms = self._elapsed_ms()
        return Check(self.probe.name, "failed", f"no answer within {waited_ms} ms", waited_ms)


class Prober:
    """Runs probes side by side; a hanging one is joined by later callers, never doubled."""

    def __init__(self, probes: Sequence[Probe], *, deadline_s: float = DEADLINE_S) -> None:
        self.probes = probes
        self._deadline_s = deadline_s
        self._under_way: dict[str, Probing] = {}
        self._lock = Lock()

    def checks(self, *, only_vital: bool = False) -> list[Check]:
        """Return what each probe found, in the order of the probes."""
        until_s = time.monotonic() + self._deadline_s
        chosen = [probe for probe in self.probes if probe.is_vital or not only_vital]
        return [probing.check(until_s=until_s) for probing in [self._probing(probe) for probe in chosen]]

    def _probing(self, probe: Probe) -> Probing:
        with self._lock:
            probing = self._under_way.get(probe.name)
            if probing is None or probing.done.is_set():
                probing = self._under_way[probe.name] = Probing(probe)
            return probing

    def health(self, checks: list[Check]) -> Health:
        """Draw the conclusion, by the rule in the module's docstring."""
        vital = {probe.name for probe in self.probes if probe.is_vital}
        if any(check.status == "failed" and check.name in vital for check in checks):
            return "unhealthy"
        return "healthy" if all(check.status == "ok" for check in checks) else "degraded"


def database_probe() -> Finding:
    """Ask the database for one row."""
    with connection.cursor() as cursor:
        cursor.execute("SELECT 1")
        cursor.fetchone()
    return "ok", connection.vendor


def unapplied_migrations() -> list[str]:
    """Return the names of the migrations that the database lacks, such as `processing.0002_budgets`."""
    executor = MigrationExecutor(connection)
    plan = executor.migration_plan(executor.loader.graph.leaf_nodes())
    return [f"{migration.app_label}.{migration.name}" for migration, _is_backward in plan]


def migrations_probe() -> Finding:
    """Count the migrations that are not applied."""
    n_missing = len(unapplied_migrations())
    return (
        ("failed", f"{n_missing} not applied: run `manage.py prepare`")
        if n_missing
        else ("ok", "all applied")
    )


def redis_probe() -> Finding:
    """Ask Redis for an answer."""
    return ("ok", "answers") if queue.ping() else ("failed", "does not answer")


def workers_probe() -> Finding:
    """Count the workers that serve the asking queues."""
    n_workers = queue.workers_alive()
    return ("ok" if n_workers else "warning"), f"{n_workers} alive"


def scheduler_probe() -> Finding:
    """Say whether a scheduler made a full round lately."""
    leader = Leader.objects.filter(role="scheduler", acted_at__isnull=False).first()
    if leader is None or leader.acted_at is None:
        return "warning", "has never acted"
    is_silent = Leader.objects.filter(pk=leader.pk, acted_at__lt=Now() - SCHEDULER_SILENT_AFTER).exists()
    return ("warning" if is_silent else "ok"), f"acted last at {leader.acted_at:%Y-%m-%d %H:%M:%S} UTC"


def waiting_probe() -> Finding:
    """Say whether questions that are due wait while no drain lives; a long queue that moves is no fault."""
    if Drain.objects.filter(ended_at__isnull=True, beat_at__gte=Now() - Drain.DEAD_AFTER).exists():
        return "ok", "drains are asking"
    # `question_claim_order` serves this run by run: no scan of finished questions
    waits = Question.objects.filter(
        status=Question.Status.WAITING,
        run__finished_at__isnull=True,
        run__paused_at__isnull=True,
        due_at__lt=Now() - WAITED_TOO_LONG,
    ).exists()
    if waits:
        return (
            "warning",
            "questions are due for more than 15 minutes and nobody asks them",
        )
    return "ok", "nothing waits too long"


PROBES = (
    Probe("database", database_probe, is_vital=True),
    Probe("migrations", migrations_probe, is_vital=True),
    Probe("redis", redis_probe, is_vital=True),
    Probe("workers", workers_probe, is_vital=False),
    Probe("scheduler", scheduler_probe, is_vital=False),
    Probe("waiting_questions", waiting_probe, is_vital=False),
)
prober = Prober(PROBES)
