"""`manage.py prepare`: schema, catalogue, keys of the environment, prompts, groups; safe to repeat."""

from typing import Any

from django.core.management.base import BaseCommand

from domainsite.preparing import prepare


class Command(BaseCommand):
    help = __doc__
    requires_system_checks = []  # some of them ask for what this command brings

    def handle(self, *args: Any, **options: Any) -> None:
        prepare(verbosity=options["verbosity"])
        self.stdout.write("Ready.")
