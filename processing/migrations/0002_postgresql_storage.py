"""Room for updates in place and early cleaning of the tables that the drain writes all day; PostgreSQL only.

A question is updated at least twice in its life: with a fifth of each page left free most of these updates
stay on their page. Autovacuum by default waits for a fifth of the table: far too late for a million rows.
"""

from django.db import migrations

TABLES = ("processing_question", "processing_runusage", "processing_drain")
OPTIONS = "fillfactor = 80, autovacuum_vacuum_scale_factor = 0.02, autovacuum_analyze_scale_factor = 0.02"
NAMES = "fillfactor, autovacuum_vacuum_scale_factor, autovacuum_analyze_scale_factor"


def storage_set(apps, schema_editor):
    """Set the storage options."""
    if schema_editor.connection.vendor == "postgresql":
        for table in TABLES:
            schema_editor.execute(f"ALTER TABLE {table} SET ({OPTIONS})")


def storage_reset(apps, schema_editor):
    """Go back to the defaults."""
    if schema_editor.connection.vendor == "postgresql":
        for table in TABLES:
            schema_editor.execute(f"ALTER TABLE {table} RESET ({NAMES})")


class Migration(migrations.Migration):
    dependencies = [("processing", "0001_initial")]
    operations = [migrations.RunPython(storage_set, storage_reset)]
