"""`manage.py demo`: ten real domains, two prompts, real workers, a real model; what `make demo` runs."""

import signal
import sys
from typing import Any

from django.core.management.base import BaseCommand, CommandError
from rich.console import Console

from domainsite.demo import DemoError, demo_run
from domainsite.embedded import EmbeddedServerError
from domainsite.local_model import LocalModelError
from processing.errors import ApplicationError

WIDTH_IN_FILES = 140  # characters; a file has no width of its own


class Command(BaseCommand):
    help = __doc__
    requires_system_checks = []  # it prepares first

    def handle(self, *args: Any, **options: Any) -> None:
        # Both end in `finally`, so that all that was started is stopped; a shell may have had SIGINT ignored.
        signal.signal(signal.SIGTERM, lambda *_signal: sys.exit(143))
        signal.signal(signal.SIGINT, signal.default_int_handler)
        try:
            console = Console()
            if not console.is_terminal:
                console.width = max(console.width, WIDTH_IN_FILES)
            is_complete = demo_run(out=console)
        except (DemoError, LocalModelError, EmbeddedServerError, ApplicationError) as error:
            raise CommandError(f"demo: failed: {error}") from error
        except KeyboardInterrupt:
            raise CommandError("demo: stopped", returncode=130) from None
        if not is_complete:
            raise CommandError("demo: not every question was answered; the table says why")
