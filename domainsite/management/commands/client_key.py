"""`manage.py client_key create NAME --scopes read,process`: keys of programs that call the API.

The key stands alone on the last line of the output and is shown this once.
"""

from typing import Any

from django.core.exceptions import ValidationError
from django.core.management.base import BaseCommand, CommandError, CommandParser

from domainsite.models import ClientKey
from domainsite.services import client_key_create, client_key_revoke


class Command(BaseCommand):
    help = __doc__

    def add_arguments(self, parser: CommandParser) -> None:
        actions = parser.add_subparsers(dest="action", required=True)
        create = actions.add_parser("create", help="make a key and show it once")
        create.add_argument("name")
        create.add_argument(
            "--scopes", default="read", help="between commas: " + ", ".join(ClientKey.Scope.values)
        )
        revoke = actions.add_parser("revoke", help="end a key for good")
        revoke.add_argument("name")
        actions.add_parser("list", help="show all keys")

    def handle(self, *args: Any, **options: Any) -> None:
        getattr(self, options["action"])(**options)

    def create(self, *, name: str, scopes: str, **_options: Any) -> None:
        """Make a key."""
        try:
            key, text = client_key_create(name=name, scopes=scopes.split(","), actor="command line")
        except ValidationError as error:
            raise CommandError("; ".join(error.messages)) from error
        self.stdout.write(f"The key of {key.name}, for {', '.join(key.scopes)}; it is shown this once:")
        self.stdout.write(text)

    def revoke(self, *, name: str, **_options: Any) -> None:
        """End a key."""
        if not client_key_revoke(name=name):
            raise CommandError(f"There is no usable key named {name}.")
        self.stdout.write(f"Revoked {name}.")

    def list(self, **_options: Any) -> None:
        """Show the keys, never their secrets."""
        for key in ClientKey.objects.all():
            state = "revoked" if key.revoked_at else "usable"
            self.stdout.write(f"{key.name}  {key.prefix}…  {','.join(key.scopes)}  {state}")
