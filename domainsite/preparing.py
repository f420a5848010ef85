"""Makes an installation ready: schema, catalogue, keys of the environment, prompts, groups; safe to repeat.

Two starts at once take turns by a lock of the database (a lock file for SQLite), so that both end ready.
"""

import fcntl
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

from django.contrib.auth.models import Group, Permission
from django.core.management import call_command
from django.db import connection
from django.db.models import Q

from processing.services.prompts import prompts_seed
from providers.catalogue import catalogue_load
from providers.services.environment_keys import keys_sync_environment

ADVISORY_LOCK = 7_265_110  # any number that nobody else takes in this database

OPERATORS = Q(content_type__app_label="processing") & (
    Q(codename__startswith="view_")
    | Q(codename__in=["add_run", "change_run", "add_domain", "change_domain", "add_cohort", "change_cohort"])
)
KEY_KEEPERS = Q(content_type__app_label="providers") & (
    Q(codename__startswith="view_") | Q(codename__startswith="change_") | Q(codename="add_apikey")
)
GROUPS = {"operators": OPERATORS, "key keepers": KEY_KEEPERS}


def prepare(*, verbosity: int = 1) -> None:
    """Bring the installation to what this code needs."""
    with _alone():
        call_command("migrate", interactive=False, verbosity=verbosity)
        catalogue_load()
        keys_sync_environment()
        prompts_seed()
        groups_seed()


def groups_seed() -> None:
    """Make the groups that are missing; what staff did to existing ones stays."""
    for name, permissions in GROUPS.items():
        group, is_new = Group.objects.get_or_create(name=name)
        if is_new:
            group.permissions.set(Permission.objects.filter(permissions))


@contextmanager
def _alone() -> Iterator[None]:
    if connection.vendor == "sqlite":
        name = Path(str(connection.settings_dict["NAME"]))
        with name.with_name(f"{name.name}.prepare.lock").open("w") as lock:
            fcntl.flock(lock, fcntl.LOCK_EX)
            yield
        return
    with connection.cursor() as cursor:
        cursor.execute("SELECT pg_advisory_lock(%s)", [ADVISORY_LOCK])
        try:
            yield
        finally:
            cursor.execute("SELECT pg_advisory_unlock(%s)", [ADVISORY_LOCK])
