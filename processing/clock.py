"""The database's time in hand-written SQL: leases, waits and due times never use a worker's own clock.

In ORM queries write `Now() + timedelta(…)`, which both databases understand.
"""

from django.db import connection


def sql_now_plus(seconds_sql: str = "0") -> str:
    """Return SQL for the database's time moved by the SQL number `seconds_sql` (negative: the past).

    SQLite gets the text form that Django stores, so that it compares as text.
    """
    if connection.vendor == "sqlite":
        return f"STRFTIME('%%Y-%%m-%%d %%H:%%M:%%f', 'NOW', ({seconds_sql}) || ' seconds')"
    return f"(STATEMENT_TIMESTAMP() + make_interval(secs => CAST({seconds_sql} AS double precision)))"
