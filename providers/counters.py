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
    attnames = [*unique, *kept, *summed, *largest]
    fields = {field.attname: field for field in table._meta.concrete_fields}
    name = table._meta.db_table
    greatest = "MAX" if connection.vendor == "sqlite" else "GREATEST"
    grown = [f"{column} = {name}.{column} + excluded.{column}" for column in _columns(fields, summed)]
    grown += [
        f"{column} = {greatest}({name}.{column}, excluded.{column})" for column in _columns(fields, largest)
    ]
    # in the order of the key, so that two writers never wait for each other in a circle
    ordered = sorted(rows, key=lambda row: tuple(str(row[attname]) for attname in unique))
    values = [
        fields[attname].get_db_prep_save(row[attname], connection) for row in ordered for attname in attnames
    ]
    marks = ", ".join([f"({', '.join(['%s'] * len(attnames))})"] * len(ordered))
    with connection.cursor() as cursor:
        cursor.execute(
            f"INSERT INTO {name} ({', '.join(_columns(fields, attnames))}) VALUES {marks} "
            f"ON CONFLICT ({', '.join(_columns(fields, unique))}) DO UPDATE SET {', '.join(grown)}",
            values,
        )


def _columns(fields: "Mapping[str, models.Field[Any, Any]]", attnames: Sequence[str]) -> list[str]:
    return [str(fields[attname].column) for attname in attnames]
