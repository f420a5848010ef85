"""Takes domains in, by the thousand in one transaction, with a verdict for each row.

No statement is made per row. Two imports of the same names at the same time both succeed: rows are inserted and
locked in one order (by name, then id), and whoever comes second finds them there. Reading the rows out of files
is pure (`processing.rules.import_rows`), and so is the judgement of names (`processing.rules.names`).
"""

import logging
from collections.abc import Iterable, Iterator, Sequence
from dataclasses import dataclass, field
from datetime import datetime
from enum import StrEnum
from typing import Any, TypeVar

from django.db import transaction
from django.utils import timezone

from processing.errors import Invalid, TooLarge
from processing.models import Cohort, Domain
from processing.rules.import_rows import (
    DomainRow,
    Format,
    ImportRefused,
    ImportRows,
    cohort_name,
    rows_from_bytes,
)
from processing.rules.names import DomainName, NameRefused, parse_name
from providers.clock import database_now

MAX_ROWS = 10_000
CHUNK = 900  # SQLite takes 999 parameters in a statement
LOOK_ALIKE = "A look-alike: its letters come from several scripts, or pass for Latin ones."
UPDATED_FIELDS = ("display_name", "category", "aliases", "priority", "is_archived")

Item = TypeVar("Item")

logger = logging.getLogger(__name__)


class VerdictKind(StrEnum):
    """What became of a row."""

    CREATED = "created"
    UPDATED = "updated"
    EXISTS = "exists"
    DUPLICATE = "duplicate"
    INVALID = "invalid"


@dataclass(slots=True)
class Verdict:
    """What became of one row; `id` is None where there is no domain (invalid, or created by a dry run)."""

    row: int
    input: str
    name: str | None
    verdict: VerdictKind
    id: int | None = None
    reason: str = ""


@dataclass(slots=True)
class _Entry:
    """A name that is in the rows, with the first row that has it and the cohorts of all that have it."""

    parsed: DomainName
    row: DomainRow
    verdict: Verdict
    cohorts: dict[str, str] = field(default_factory=dict)  # label by name


def parse_import(data: bytes, *, kind: Format) -> ImportRows:
    """Read the rows of a CSV, JSON or text file. Raises `Invalid` when nothing in it can be understood."""
    try:
        return rows_from_bytes(data, kind=kind)
    except ImportRefused as refused:
        raise Invalid(str(refused), fields={"domains": [str(refused)]}) from refused


def domains_import(
    rows: Sequence[DomainRow],
    *,
    actor: str,
    cohorts: Sequence[str] = (),
    dry_run: bool = False,
    update: bool = False,
) -> list[Verdict]:
    """Store the domains of the rows and return a verdict per row, in their order.

    A known domain joins the row's cohorts (and the `cohorts` of all), which are made when missing; with
    `update` it also takes over what the row says of it, and leaves the archive. Raises `TooLarge` above
    `MAX_ROWS` rows, `Invalid` for a cohort that cannot be named.
    """
    if len(rows) > MAX_ROWS:
        raise TooLarge(f"{len(rows):,} rows; one request takes {MAX_ROWS:,}. Send them in parts.")
    verdicts, entries = _read(rows, _cohort_labels(cohorts))
    with transaction.atomic():
        known = _known(entries, lock=not dry_run)
        known |= _create([entry for name, entry in entries.items() if name not in known], dry_run=dry_run)
        if update:
            _update([entry for name, entry in entries.items() if name in known], known, dry_run=dry_run)
        _join_cohorts(entries, known, dry_run=dry_run)
    for verdict in verdicts:
        if verdict.verdict is VerdictKind.DUPLICATE and verdict.name:
            verdict.id = entries[verdict.name].verdict.id
    if not dry_run:
        n_created = sum(verdict.verdict is VerdictKind.CREATED for verdict in verdicts)
        logger.info("%s imported %d rows: %d new domains", actor, len(rows), n_created)
    return verdicts


def _read(rows: Sequence[DomainRow], cohorts: dict[str, str]) -> tuple[list[Verdict], dict[str, _Entry]]:
    verdicts: list[Verdict] = []
    entries: dict[str, _Entry] = {}
    for row in rows:
        verdict = Verdict(row.row, row.input, None, VerdictKind.INVALID, reason=row.problem)
        verdicts.append(verdict)
        if row.problem:
            continue
        try:
            parsed = parse_name(row.name)
        except NameRefused as refused:
            verdict.reason = refused.reason
            continue
        verdict.name = parsed.name
        if entry := entries.get(parsed.name):
            verdict.verdict = VerdictKind.DUPLICATE
            verdict.reason = f"The same name as in row {entry.row.row}; its cohorts were joined."
        else:
            entry = entries[parsed.name] = _Entry(parsed, row, verdict, dict(cohorts))
        entry.cohorts |= {cohort_name(label): label for label in row.cohorts}
    return verdicts, dict(sorted(entries.items()))


def _cohort_labels(labels: Iterable[str]) -> dict[str, str]:
    named = {cohort_name(label): label.strip() for label in labels}
    if "" in named:
        message = f"The cohort {named['']!r} needs a name with Latin letters or digits."
        raise Invalid(message, fields={"cohorts": [message]})
    return named


def _known(entries: dict[str, _Entry], *, lock: bool) -> dict[str, Domain]:
    domains = Domain.objects.order_by("id")
    if lock:
        domains = domains.select_for_update(no_key=True)
    known = domains.in_bulk(list(entries), field_name="name")
    for name, domain in known.items():
        verdict = entries[name].verdict
        verdict.verdict, verdict.id = VerdictKind.EXISTS, domain.id
        if domain.is_archived:
            verdict.reason = "It is archived; an import with update takes it out of the archive."
    return known


def _create(entries: list[_Entry], *, dry_run: bool) -> dict[str, Domain]:
    """Insert domains that were not known, and return them as they are stored.

    The database keeps the first of two rows of one name and does not say whose it was. The instant of
    creation does: it is ours to the microsecond, or another import's.
    """
    now = database_now()
    made = {entry.parsed.name: _domain(entry, due_at=now) for entry in entries}
    others: list[str] = []
    if not dry_run:
        Domain.objects.bulk_create(made.values(), ignore_conflicts=True)
        for names in _chunks(list(made)):
            stored = Domain.objects.filter(name__in=names).values_list("name", "pk", "created_at")
            for name, pk, created_at in stored:
                if made[name].created_at == created_at:
                    made[name].pk = pk
                else:
                    others.append(name)
    known = Domain.objects.in_bulk(others, field_name="name")
    for entry in entries:
        name = entry.parsed.name
        domain = known.get(name, made[name])
        entry.verdict.verdict = VerdictKind.EXISTS if name in known else VerdictKind.CREATED
        entry.verdict.id = domain.pk
        if domain.is_look_alike and name not in known:
            entry.verdict.reason = LOOK_ALIKE
    return {} if dry_run else made | known


def _domain(entry: _Entry, *, due_at: datetime) -> Domain:
    """Return a new row. All its values are literals: one default of the database makes a bulk insert slow."""
    return Domain(
        due_at=due_at,
        name=entry.parsed.name,
        unicode_name=entry.parsed.unicode_name,
        is_look_alike=entry.parsed.is_look_alike,
        display_name=entry.row.display_name,
        aliases=list(entry.row.aliases),
        category=entry.row.category,
        priority=entry.row.priority or Domain._meta.get_field("priority").default,
    )


def _update(entries: list[_Entry], known: dict[str, Domain], *, dry_run: bool) -> None:
    """Write what the rows say into the domains that were there before; what a row leaves empty stays."""
    changed = []
    now = database_now()
    for entry in entries:
        domain = known[entry.parsed.name]
        values = _row_values(entry.row)
        differing = {name: value for name, value in values.items() if getattr(domain, name) != value}
        if entry.verdict.verdict is VerdictKind.EXISTS and differing:
            entry.verdict.verdict = VerdictKind.UPDATED
            entry.verdict.reason = f"Changed: {', '.join(sorted(differing))}."
            changed.append(_domain(entry, due_at=now))
            for name in UPDATED_FIELDS:
                setattr(changed[-1], name, differing.get(name, getattr(domain, name)))
    if not dry_run:
        Domain.objects.bulk_create(
            changed,
            update_conflicts=True,
            unique_fields=["name"],
            update_fields=[*UPDATED_FIELDS, "updated_at"],
        )


def _row_values(row: DomainRow) -> dict[str, Any]:
    values = {
        "display_name": row.display_name,
        "category": row.category,
        "aliases": list(row.aliases),
        "priority": row.priority,
    }
    return {name: value for name, value in values.items() if value} | {"is_archived": False}


def _join_cohorts(entries: dict[str, _Entry], known: dict[str, Domain], *, dry_run: bool) -> None:
    labels = {name: label for entry in entries.values() for name, label in entry.cohorts.items()}
    if not labels:
        return
    if not dry_run:
        Cohort.objects.bulk_create(
            [
                Cohort(name=name, label="" if label == name else label)
                for name, label in sorted(labels.items())
            ],
            ignore_conflicts=True,
        )
    cohort_ids = {
        name: cohort.id for name, cohort in Cohort.objects.in_bulk(list(labels), field_name="name").items()
    }
    members = _members(domain.id for domain in known.values())
    joining: set[tuple[int, int]] = set()
    changed: set[int] = set()
    for name, entry in entries.items():
        domain_id = known[name].id if name in known else None
        joined = [cohort for cohort in entry.cohorts if (domain_id, cohort_ids.get(cohort)) not in members]
        if domain_id is not None and not dry_run:
            joining |= {(domain_id, cohort_ids[cohort]) for cohort in joined}
        if joined and entry.verdict.verdict in (VerdictKind.EXISTS, VerdictKind.UPDATED):
            entry.verdict.verdict = VerdictKind.UPDATED
            entry.verdict.reason = " ".join(
                filter(None, [entry.verdict.reason, f"Joined: {', '.join(joined)}."])
            )
            changed |= {domain_id} if domain_id else set()
    if not dry_run:
        _add_members(joining, changed=changed)


def _members(domain_ids: Iterable[int]) -> set[tuple[int | None, int | None]]:
    members: set[tuple[int | None, int | None]] = set()
    for ids in _chunks(sorted(domain_ids)):
        rows = Domain.cohorts.through.objects.filter(domain_id__in=ids)
        members |= set(rows.values_list("domain_id", "cohort_id"))
    return members


def _add_members(joining: set[tuple[int, int]], *, changed: set[int]) -> None:
    """Add the pairs, and let domains that were there before show up as changed (`updated_since`)."""
    through = Domain.cohorts.through
    through.objects.bulk_create(
        [through(domain_id=domain_id, cohort_id=cohort_id) for domain_id, cohort_id in sorted(joining)],
        ignore_conflicts=True,
    )
    for ids in _chunks(sorted(changed)):
        Domain.objects.filter(id__in=ids).update(updated_at=timezone.now())


def _chunks(items: list[Item]) -> Iterator[list[Item]]:
    for start in range(0, len(items), CHUNK):
        yield items[start : start + CHUNK]
