"""The database's clock: states and waits of keys never use a worker's own clock."""

from datetime import UTC, datetime

from django.db import connection


def database_now() -> datetime:
    """Return the database's time, aware and in UTC."""
    is_sqlite = connection.vendor == "sqlite"
    with connection.cursor() as cursor:
        cursor.execute(
            "SELECT STRFTIME('%Y-%m-%d %H:%M:%f', 'NOW')" if is_sqlite else "SELECT STATEMENT_TIMESTAMP()"
        )
        (now,) = cursor.fetchone()
    return datetime.fromisoformat(now).replace(tzinfo=UTC) if is_sqlite else now.astimezone(UTC)
