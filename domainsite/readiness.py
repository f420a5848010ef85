"""Refuses to serve on a database that this code does not fit: web and workers start only after `prepare`.

Management commands that serve get it as a system check, the web process by `domainsite/wsgi.py`; other
commands (`prepare` itself, `check` in a pipeline without a database) go on without.
"""

import sys
from collections.abc import Sequence
from typing import Any

from django.apps import AppConfig
from django.core.checks import CheckMessage, Error
from django.db import DatabaseError, connection

SERVING_COMMANDS = {"rqworker", "rqworker-pool", "scheduler", "runserver"}
HINT = "Run `manage.py prepare` (`make run` does it by itself)."


class NotPrepared(Exception):
    """The database cannot be served on; the message says what to do."""


def refuse_unprepared() -> None:
    """Go on only with every migration applied.

    Raises:
        NotPrepared: some are missing, or the database does not answer.
    """
    from monitoring.health import unapplied_migrations  # knows models, and so needs the app registry

    try:
        missing = unapplied_migrations()
    except DatabaseError as error:
        raise NotPrepared(f"The database does not answer: {error}") from error
    finally:
        connection.close()  # workers fork, and must not take it along
    if missing:
        shown = ", ".join(missing[:3]) + (" …" if len(missing) > 3 else "")
        raise NotPrepared(f"{len(missing)} migrations are not applied ({shown}). {HINT}")


def migrations_check(
    app_configs: Sequence[AppConfig] | None,  # noqa: ARG001 -- Django passes it by name
    **_options: Any,
) -> list[CheckMessage]:
    """Report what `refuse_unprepared` finds, for commands that serve."""
    if len(sys.argv) < 2 or sys.argv[1] not in SERVING_COMMANDS:
        return []
    try:
        refuse_unprepared()
    except NotPrepared as error:
        return [Error(str(error), hint=HINT, id="domainsite.E001")]
    return []
