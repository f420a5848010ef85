"""Our RQ worker: it makes the bare `rqworker` command right for this project.

It forces the JSON serializer and short monitoring times, passes SIGTERM on to the work horse (so that a drain
can release what it holds), and refuses to work on unapplied migrations. Recovery does not rest on it: what a
dead worker held comes back through the database (`processing.reclaim`).
"""

import signal
from typing import Any

from django.db import connections
from redis.backoff import NoBackoff
from redis.exceptions import RedisError
from redis.retry import Retry
from rq import Queue, Worker
from rq.job import Job

from processing.queue import RETRY

JSON_SERIALIZER = "rq.serializers.JSONSerializer"
WORKER_TTL_S = 30
MONITORING_INTERVAL_S = 5
MAINTENANCE_INTERVAL_S = 60


class DrainWorker(Worker):
    """Forks a horse per job; see the module."""

    def __init__(self, queues: Any, *args: Any, **options: Any) -> None:
        options |= {
            "serializer": JSON_SERIALIZER,
            "worker_ttl": WORKER_TTL_S,
            "job_monitoring_interval": MONITORING_INTERVAL_S,
            "maintenance_interval": MAINTENANCE_INTERVAL_S,
            "default_result_ttl": 0,
        }
        super().__init__(queues, *args, **options)
        self.connection.set_retry(RETRY)
        self.log_job_description = False

    def handle_warm_shutdown_request(self) -> None:
        """Pass the signal on: the horse ends its job within the grace time, and we wait for it."""
        super().handle_warm_shutdown_request()  # type: ignore[no-untyped-call]
        if self.horse_pid:
            self.kill_horse(signal.SIGTERM)

    def setup_work_horse_signals(self) -> None:
        """A job that knows how to stop early takes SIGTERM itself; any other finishes first."""
        signal.signal(signal.SIGINT, signal.SIG_IGN)
        signal.signal(signal.SIGTERM, signal.SIG_IGN)

    def main_work_horse(self, job: Job, queue: Queue) -> None:
        """Start the horse with database connections of its own."""
        connections.close_all()
        super().main_work_horse(job, queue)

    def teardown(self) -> None:
        """Say goodbye to Redis; when it is away its entry expires by itself, and nobody waits for it to return."""
        self.connection.set_retry(Retry(NoBackoff(), 0))
        try:
            super().teardown()  # type: ignore[no-untyped-call]
        except RedisError as error:
            self.log.warning("Worker %s: could not unregister (%s)", self.name, error)
