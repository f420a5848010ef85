"""`manage.py stack`: the whole service in the foreground, as `make run` and (with `--reload`) `make dev` start it."""

import sys
from typing import Any

from django.core.management.base import BaseCommand, CommandError, CommandParser

from domainsite.embedded import EmbeddedServerError
from domainsite.stack import PortInUse, stack_run


class Command(BaseCommand):
    help = __doc__
    requires_system_checks = []  # it prepares first; its children check

    def add_arguments(self, parser: CommandParser) -> None:
        parser.add_argument("--reload", action="store_true", help="restart what runs when its code changes")

    def handle(self, *args: Any, **options: Any) -> None:
        try:
            stack_run(is_reloading=options["reload"], out=sys.stdout)
        except (PortInUse, EmbeddedServerError) as error:
            raise CommandError(str(error)) from error
