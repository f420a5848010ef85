"""Brings stored keys under the newest of FIELD_ENCRYPTION_KEYS; safe while workers ask, and to repeat."""

from typing import Any

from django.core.management.base import BaseCommand, CommandError

from providers.services.reencryption import keys_reencrypt


class Command(BaseCommand):
    help = "Encrypt stored provider keys with the newest master key (the first of FIELD_ENCRYPTION_KEYS)."

    def handle(self, *args: Any, **options: Any) -> None:
        done = keys_reencrypt()
        print(
            f"{done.changed} re-encrypted, {done.up_to_date} up to date, "
            f"{done.unreadable} unreadable, {done.raced} changed meanwhile."
        )
        if done.unreadable:
            raise CommandError("Keep the old master keys, or enter the unreadable keys again.")
        if done.raced:
            raise CommandError("Run it once more before an old master key is dropped.")
