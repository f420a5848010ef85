"""Adding to counter rows by one statement: rows that are missing are made, rows that exist grow.

For tables of the kind "one row per (what, who)", where each writer has rows of its own and readers sum them up.
Works on PostgreSQL and SQLite alike. Nothing here knows what is counted.
"""

from collections.abc import Mapping, Sequence
from typing import Any

from django.db import connection, models


def counters_add(
    table: type[models.Model],
    rows: Sequence[Mapping[str, Any]],
    *,
    unique: Sequence[str],
    summed: Sequence[str],
    largest: Sequence[str] = (),
    kept: Sequence[str] = (),
) -> None:
    """Add each of `rows` (field attname → value) to the row with the same `unique` fields.

    `summed` fields grow by the value given, `largest` fields keep the larger one, `kept` fields are
    written only when the row is made; each row must name all of them. Two rows of one call with the same key
    are refused by the database: sum them before.
    """
    if not rows:
        return
    columns = [*unique, *kept, *summed, *largest]
    fields = [table._meta.get_field(name) for name in columns]
    names = [field.column for field in fields]
    table_name = table._meta.db_table
    greatest = "MAX" if connection.vendor == "sqlite" else "GREATEST"
    updates = [
        f"{_column(table, name)} = {table_name}.{_column(table, name)} + excluded.{_column(table, name)}"
        for name in summed
    ]
    updates += [
        f"{_column(table, name)} = {greatest}({table_name}.{_column(table, name)}, excluded.{_column(table, name)})"
        for name in largest
    ]
    # in the order of the key, so that two writers never wait for each other in a circle
    ordered = sorted(rows, key=lambda row: tuple(str(row[name]) for name in unique))
    values = [
        field.get_db_prep_save(row[name], connection)
        for row in ordered
        for name, field in zip(columns, fields, strict=True)
    ]
    marks = ", ".join([f"({', '.join(['%s'] * len(columns))})"] * len(ordered))
    with connection.cursor() as cursor:
        cursor.execute(
            f"INSERT INTO {table_name} ({', '.join(names)}) VALUES {marks} "
            f"ON CONFLICT ({', '.join(_column(table, name) for name in unique)}) DO UPDATE SET {', '.join(updates)}",
            values,
        )


def _column(table: type[models.Model], name: str) -> str:
    return str(table._meta.get_field(name).column)
