"""`manage.py scheduler`: drives and repairs all asking; run one or several, one acts."""

import signal
import threading
from typing import Any

from django.core.management.base import BaseCommand

from processing.scheduler import Scheduler


class Command(BaseCommand):
    """Runs until SIGTERM or Ctrl-C."""

    help = (
        "Takes back the work of dead workers, closes runs, lets keys return and dispatches drains, every 5 s."
    )

    def handle(self, *args: Any, **options: Any) -> None:
        """Run the scheduler in the foreground."""
        stop = threading.Event()
        for number in (signal.SIGTERM, signal.SIGINT):
            signal.signal(number, lambda *_: stop.set())
        Scheduler(stop).run()
