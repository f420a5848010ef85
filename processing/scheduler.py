"""The scheduler: every few seconds, from the database alone, it repairs and drives what no single worker would.

It takes back the questions of dead drains, closes and expires runs, lets keys return and puts drains to work.
Several may run; one acts. It works with Redis away (then nothing is dispatched) and waits out a database that
is away. Each step is a function of a service; this module only says when.
"""

import logging
import os
import socket
import threading
import time
import uuid

from django.db import InterfaceError, OperationalError, connection, connections

from processing import dispatch
from processing.models import Drain, Run
from processing.services.closing import runs_close, runs_expire
from processing.services.leadership import leader_acquire, leader_acted, leader_resign
from processing.services.reclaim import dead_drains_reclaim, runs_unbind
from providers.services import keys_probe, keys_recover, keys_to_probe, lanes_recover

logger = logging.getLogger(__name__)

ROLE = "scheduler"
ROUND_EVERY_S = 5.0
# After the database was away every drain looks silent: give them time to beat before any is called dead.
QUIET_AFTER_OUTAGE_S = Drain.DEAD_AFTER.total_seconds()


class Scheduler:
    """Runs rounds until `stop` is set."""

    def __init__(self, stop: threading.Event) -> None:
        self._stop = stop
        self._holder = f"{socket.gethostname()}:{os.getpid()}:{uuid.uuid4().hex[:6]}"
        self._no_reclaim_until = time.monotonic() + ROUND_EVERY_S
        self._prober = threading.Thread(target=_keys_probe_apart)

    def run(self) -> None:
        """Act every 5 s while holding the lead."""
        logger.info("scheduler %s started", self._holder)
        while not self._stop.is_set():
            self.round_safely()
            self._stop.wait(ROUND_EVERY_S)
        leader_resign(ROLE, holder=self._holder)
        logger.info("scheduler %s stopped", self._holder)

    def round_safely(self) -> None:
        """Do one round; a database that is away ends it and delays the next reclaim."""
        try:
            if leader_acquire(ROLE, holder=self._holder):
                self.round()
                leader_acted(ROLE, holder=self._holder)
        except (OperationalError, InterfaceError) as error:
            logger.warning("the database does not answer: %s", error)
            connection.close()
            self._no_reclaim_until = time.monotonic() + QUIET_AFTER_OUTAGE_S

    def round(self) -> None:
        """Do everything that is due now."""
        if time.monotonic() >= self._no_reclaim_until:
            dead_drains_reclaim()
            runs_unbind()
        runs_expire()
        runs_close(
            Run.objects.filter(finished_at__isnull=True, planned_at__isnull=False).values_list(
                "pk", flat=True
            )
        )
        keys_recover()
        lanes_recover()
        self._probe_keys()
        dispatch.drains_dispatch()

    def _probe_keys(self) -> None:
        """Check refused keys beside the rounds: a provider that does not answer must not delay a reclaim."""
        if not self._prober.is_alive() and keys_to_probe().exists():
            self._prober = threading.Thread(target=_keys_probe_apart, name="prober", daemon=True)
            self._prober.start()


def _keys_probe_apart() -> None:
    """In a thread and on a database connection of its own."""
    try:
        if n := keys_probe():
            logger.info("checked %d refused key(s)", n)
    except (OperationalError, InterfaceError) as error:
        logger.warning("refused keys not checked, the database does not answer: %s", error)
    finally:
        connections.close_all()
