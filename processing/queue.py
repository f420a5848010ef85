"""RQ as transport: the only module that knows django-rq. What RQ holds may vanish at any time; the record is ours.

Jobs carry ids only. Every queue has its own use: `high`, `default` and `low` hold drains, `system` the rest.
"""

import logging

import django_rq
from django.conf import settings
from redis import Redis
from redis.backoff import ExponentialBackoff
from redis.exceptions import RedisError
from redis.retry import Retry
from rq import Queue, worker_registration

logger = logging.getLogger(__name__)

# A short Redis restart is waited out inside one command: 0.1, 0.2 … 1 s, about 10 s in all.
RETRY = Retry(ExponentialBackoff(cap=1.0, base=0.1), 12)
LONGEST_CALL_S = 600
FAILED_JOB_KEPT_S = 7 * 86_400


def queue(name: str, *, retry: Retry | None = None) -> Queue:
    """Return the queue; its commands fail at once when Redis is away unless `retry` says how to wait."""
    found = django_rq.get_queue(name)
    found.connection.set_retry(retry or Retry(ExponentialBackoff(), 0))
    found.connection.get_connection_kwargs()["socket_timeout"] = 5.0
    found.connection.get_connection_kwargs()["socket_connect_timeout"] = 2.0
    return found


def redis_client() -> Redis:
    """Return a client for our own keys (limits): short timeouts, so that nothing hangs on a frozen server."""
    return Redis.from_url(settings.REDIS_URL, socket_timeout=5.0, socket_connect_timeout=2.0)


def ping() -> bool:
    """Whether Redis answers."""
    try:
        return bool(queue(settings.SYSTEM_QUEUE).connection.ping())
    except RedisError:
        return False


def drain_queue_lengths() -> dict[str, int]:
    """Return the number of waiting jobs of each drain queue, most urgent first. Raises `RedisError`."""
    return {name: queue(name).count for name in settings.DRAIN_QUEUES}


def workers_alive() -> int:
    """Return how many workers of the drain queues have a living entry in Redis. Raises `RedisError`."""
    connection = queue(settings.DRAIN_QUEUES[0]).connection
    keys = {
        key for name in settings.DRAIN_QUEUES for key in worker_registration.get_keys(queue=queue(name))
    }  # an entry expires with its worker's beat; the set of keys may still name it
    return sum(connection.exists(key) for key in sorted(keys))


def drain_enqueue(queue_name: str, *, careful: bool = False) -> None:
    """Put one drain job, under a random id, at the end of a queue. Raises `RedisError`."""
    queue(queue_name).enqueue(
        "processing.tasks.drain_job",
        kwargs={"careful": careful},
        job_timeout=settings.DRAIN_SLICE_S + LONGEST_CALL_S + settings.SHUTDOWN_GRACE_S + 120,
        result_ttl=0,
        failure_ttl=FAILED_JOB_KEPT_S,
    )
