"""`manage.py process`: starts a run over the pending domains and watches it to its end."""

import time
from typing import Any

from django.core.management.base import BaseCommand, CommandError, CommandParser
from rich.console import Console

from processing.errors import ApplicationError
from processing.models import Run
from processing.progress import progress_shown
from processing.rules.status import Coverage, RunStatus
from processing.selectors.runs import coverage_for, figures_for, status_for
from processing.services.runs import pending_run_create

ACTOR = "command:process"
LOOK_EVERY_S = 1.0


class Command(BaseCommand):
    """Exit code 0: the run is completed, or nothing was pending; 1: it ended otherwise."""

    help = (
        "Asks the pending domains and shows the progress until the run ends. Workers and the scheduler must run "
        "(`make run`). Ctrl-C stops the watching only: the run goes on."
    )

    def add_arguments(self, parser: CommandParser) -> None:
        """Take what to ask."""
        parser.add_argument(
            "--cohort", action="append", dest="cohorts", metavar="NAME", help="only its domains; may repeat"
        )
        parser.add_argument("--prompts", nargs="+", metavar="NAME", help="default: the default prompts")
        parser.add_argument(
            "--models", nargs="+", metavar="PROVIDER:MODEL", help="default: each provider's default models"
        )
        parser.add_argument(
            "--batch-size", type=int, metavar="N", help="domains at most; default: all that are pending"
        )
        parser.add_argument(
            "--priority", type=int, default=5, choices=range(1, 11), metavar="1-10", help="10 is most urgent"
        )
        parser.add_argument("--no-wait", action="store_true", help="start the run and return")

    def handle(self, *args: Any, **options: Any) -> None:
        """Start the run, watch it, and say how it ended."""
        chosen = {name: options[name] for name in ("cohorts", "prompts", "models", "batch_size", "priority")}
        try:
            run = pending_run_create(actor=ACTOR, **chosen)
        except ApplicationError as error:
            raise CommandError(_words(error)) from error
        if run is None:
            self.stdout.write("No domain is pending.")
            return
        self.stdout.write(f"Run {run.pk}: {run.n_questions} questions.")
        if not options["no_wait"]:
            self._watch(run)

    def _watch(self, run: Run) -> None:
        try:
            coverage = _follow(run)
        except KeyboardInterrupt:
            raise CommandError(f"No longer watching; run {run.pk} goes on.") from None
        status = status_for(run, coverage)
        cost_usd = figures_for([run])[run.pk].cost_usd
        self.stdout.write(f"Run {run.pk} {status}: {_counts(coverage)}; {cost_usd:.4f} USD.")
        if status is not RunStatus.COMPLETED:
            raise CommandError(f"Not every question was answered: see run {run.pk} in the admin.")


def _follow(run: Run) -> Coverage:
    """Show the progress until the run has ended and return how it ended."""
    with progress_shown(Console(), n_questions=run.n_questions or 0) as show:
        while True:
            run.refresh_from_db()
            coverage = coverage_for(run)
            show(coverage.ended)
            if run.finished_at:
                return coverage
            time.sleep(LOOK_EVERY_S)


def _counts(coverage: Coverage) -> str:
    ended_otherwise = f"{coverage.failed} failed, {coverage.declined} declined"
    return f"{coverage.answered} of {coverage.questions} answered, {ended_otherwise}"


def _words(error: ApplicationError) -> str:
    details = [f"{name}: {text}" for name, texts in (error.fields or {}).items() for text in texts]
    return " ".join([error.message, *details])
