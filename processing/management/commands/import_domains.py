"""`manage.py import_domains FILE`: takes domains in from CSV, JSON or text, and prints why a row was not taken."""

import sys
from argparse import ArgumentParser
from collections import Counter
from pathlib import Path
from typing import Any

from django.core.management.base import BaseCommand, CommandError

from processing.errors import ApplicationError
from processing.rules.import_rows import DomainRow, Format
from processing.services.intake import MAX_ROWS, Verdict, VerdictKind, domains_import, parse_import

KINDS = {".json": Format.JSON, ".csv": Format.CSV, ".tsv": Format.CSV, ".txt": Format.TEXT, "": Format.TEXT}


class Command(BaseCommand):
    help = "Take domains in from a CSV, JSON or text file (- reads standard input)."

    def add_arguments(self, parser: ArgumentParser) -> None:
        parser.add_argument(
            "file", help="CSV with or without a header, JSON, or one domain per line; - is stdin"
        )
        parser.add_argument("--format", choices=list(Format), help="default: by the file's name, else csv")
        parser.add_argument(
            "--cohort", action="append", default=[], help="all of them join it; may be repeated"
        )
        parser.add_argument("--update", action="store_true", help="overwrite what is known of known domains")
        parser.add_argument("--dry-run", action="store_true", help="say what would happen, and write nothing")

    def handle(self, *args: Any, **options: Any) -> None:
        """Import in parts of as many rows as one transaction takes; a later part sees the earlier ones."""
        try:
            rows = self._rows(options["file"], options["format"])
            verdicts: list[Verdict] = []
            for start in range(0, len(rows), MAX_ROWS):
                verdicts += domains_import(
                    rows[start : start + MAX_ROWS],
                    actor="command:import_domains",
                    cohorts=options["cohort"],
                    dry_run=options["dry_run"],
                    update=options["update"],
                )
        except (ApplicationError, OSError) as error:
            raise CommandError(str(error)) from error
        self._print(verdicts, dry_run=options["dry_run"])
        if all(verdict.verdict is VerdictKind.INVALID for verdict in verdicts):
            raise CommandError("No usable domain in it.")

    def _rows(self, file: str, kind: str | None) -> list[DomainRow]:
        data = sys.stdin.buffer.read() if file == "-" else Path(file).read_bytes()
        suffix = Path(file).suffix.lower() if file != "-" else ".csv"
        parsed = parse_import(data, kind=Format(kind) if kind else KINDS.get(suffix, Format.CSV))
        if parsed.ignored_columns:
            self.stderr.write(f"Columns that mean nothing here: {', '.join(parsed.ignored_columns)}")
        return parsed.rows

    def _print(self, verdicts: list[Verdict], *, dry_run: bool) -> None:
        for verdict in verdicts:
            if verdict.verdict is VerdictKind.INVALID:
                self.stdout.write(f"row {verdict.row}: {verdict.input!r}: {verdict.reason}")
        counts = Counter(verdict.verdict for verdict in verdicts)
        summary = ", ".join(f"{counts[kind]} {kind}" for kind in VerdictKind if counts[kind]) or "no rows"
        self.stdout.write(f"{'Dry run: ' if dry_run else ''}{len(verdicts)} rows: {summary}")
