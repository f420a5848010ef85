"""Writing down what calls gave: attempts, their questions, counters and usage, in one transaction per batch.

Everything may be repeated: an attempt is booked once by its id, a question changes only under the fencing token
of its claim, and counters grow only by rows that the database says were written. The waiting room in front of
this, with its retries, is `processing.recorder`.
"""

import uuid
from collections import defaultdict
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from datetime import datetime
from decimal import Decimal
from typing import Any

from django.conf import settings
from django.db import connection, transaction

from processing.claims import Claim
from processing.clock import sql_now_plus
from processing.models import Attempt, Question, RunUsage
from processing.rules.outcomes import NextStep, Verdict, next_step
from providers.clock import database_now
from providers.counters import counters_add
from providers.latencies import Latency, latencies_add
from providers.protocols.base import Failure, Outcome, Reply
from providers.usage import UsageRow, usage_add

ZERO = Decimal(0)


@dataclass(frozen=True, slots=True)
class Result:
    """What one call gave. `cost_usd` None: unknown. `has_room`: the model would allow a larger output cap.

    `is_probe`: it was made, or ended, while the model's circuit was open.
    """

    claim: Claim
    provider_id: int
    key_id: int | None
    key_last4: str
    reply: Reply | Failure
    latency_ms: int
    cost_usd: Decimal | None = None
    simulated: bool = False
    was_mended: bool = False
    has_room: bool = True
    is_probe: bool = False

    @property
    def was_called(self) -> bool:
        """Whether a provider was called: a question that no limit could ever let through was not."""
        return self.key_id is not None

    @property
    def outcome(self) -> Outcome:
        """How the call ended."""
        return self.reply.outcome

    @property
    def next_step(self) -> NextStep:
        """What follows for the question (`rules.outcomes`); its delay is drawn anew at each look."""
        reply = self.reply
        return next_step(
            reply.outcome,
            n_tries=self.claim.n_tries,
            retry_limit=settings.RETRY_LIMIT,
            cap_factor=self.claim.cap_factor,
            has_text=isinstance(reply, Reply) and reply.text is not None,
            has_room=self.has_room,
            retry_after_s=reply.retry_after_s if isinstance(reply, Failure) else None,
            is_mendable=self.was_mended,
            is_probe=self.is_probe,
        )


@dataclass(slots=True)
class Recorded:
    """What a batch changed: how many attempts were new, and the runs in which questions ended."""

    n_attempts: int = 0
    run_ids: set[int] = field(default_factory=set)


def results_record(drain: uuid.UUID, results: Sequence[Result]) -> Recorded:
    """Write a batch of results of one drain. Safe to repeat. Raises `django.db.Error` and then wrote nothing."""
    if not results:
        return Recorded()
    with transaction.atomic():
        booked = attempts_insert([_attempt_values(drain, result) for result in results])
        changed = _questions_update(drain, results, booked)
        _run_usage_add(drain, results, booked)
        _usage_add(drain, results, booked)
    ended = {
        r.claim.run_id for r in results if changed.get(r.claim.question_id, Verdict.AGAIN) != Verdict.AGAIN
    }
    return Recorded(len(booked), ended)


@dataclass(frozen=True, slots=True)
class Booked:
    """An attempt written by this very statement. `is_late`: it had been given up as lost."""

    attempt_pk: int
    is_late: bool


def attempts_insert(rows: Sequence[Mapping[str, Any]]) -> dict[uuid.UUID, Booked]:
    """Insert attempts (attname → value, `uuid` among them) and return uuid → what this call booked.

    An attempt that is there already is left alone, except one marked `lost`: the call came back after all, so
    its row becomes what it really was, marked `is_late`.
    """
    columns = [name for name in _ATTEMPT_COLUMNS if name != "created_at"]
    fields = [_ATTEMPT_FIELDS[name] for name in columns]
    values = [
        field.get_db_prep_save(row.get(name, field.get_default()), connection)
        for row in rows
        for name, field in zip(columns, fields, strict=True)
    ]
    marks = ", ".join([f"({', '.join(['%s'] * len(columns))}, {sql_now_plus()})"] * len(rows))
    table = Attempt._meta.db_table
    kept = {"uuid", "question_id", "drain", "is_late"}
    updates = ", ".join(f"{name} = excluded.{name}" for name in columns if name not in kept)
    with connection.cursor() as cursor:
        cursor.execute(
            f"INSERT INTO {table} ({', '.join(columns)}, created_at) VALUES {marks} "
            f"ON CONFLICT (uuid) DO UPDATE SET {updates}, is_late = TRUE "
            f"WHERE {table}.outcome = '{Outcome.LOST}' AND excluded.outcome <> '{Outcome.LOST}' "
            "RETURNING uuid, id, is_late",
            values,
        )
        return {uuid.UUID(str(key)): Booked(pk, bool(is_late)) for key, pk, is_late in cursor.fetchall()}


_ATTEMPT_FIELDS = {field.attname: field for field in Attempt._meta.concrete_fields if not field.primary_key}
_ATTEMPT_COLUMNS = list(_ATTEMPT_FIELDS)


def _attempt_values(drain: uuid.UUID, result: Result) -> dict[str, Any]:
    values: dict[str, Any] = {
        "uuid": result.claim.attempt_id,
        "question_id": result.claim.question_id,
        "drain": drain,
        "key_id": result.key_id,
        "key_last4": result.key_last4,
        "outcome": str(result.outcome),
        "http_status": result.reply.http_status,
        "provider_request_id": result.reply.request_id[:120],
        "latency_ms": result.latency_ms,
        "cost_usd": result.cost_usd,
        "simulated": result.simulated,
    }
    if isinstance(result.reply, Failure):
        return values | {"error_code": result.reply.code[:80], "error_message": result.reply.message[:500]}
    reply = result.reply
    return values | {
        "text": reply.text,
        "served_model": reply.served_model[:200],
        "finish_reason": reply.finish_reason[:40],
        "input_tokens": reply.input_tokens,
        "output_tokens": reply.output_tokens,
        "reasoning_tokens": reply.reasoning_tokens,
        "cached_tokens": reply.cached_tokens,
        "citations": reply.citations,
    }


def _questions_update(
    drain: uuid.UUID, results: Sequence[Result], booked: Mapping[uuid.UUID, Booked]
) -> dict[int, Verdict]:
    """Move each question on, where this drain still owns it; return question id → verdict of those moved."""
    rows: list[Any] = []
    verdicts: dict[int, Verdict] = {}
    for result in sorted(results, key=lambda r: r.claim.question_id):
        step = result.next_step
        call = booked.get(result.claim.attempt_id)
        if step.verdict is Verdict.ANSWERED and call is None:
            continue  # booked by an earlier try of this very batch, which then moved the question as well
        verdicts[result.claim.question_id] = step.verdict
        rows += [
            result.claim.question_id,
            result.claim.claim_no,
            "waiting" if step.verdict is Verdict.AGAIN else str(step.verdict),
            str(result.outcome),
            round(step.delay_s, 3),
            int(step.uses_try),
            step.cap_factor,
            call.attempt_pk if call and step.verdict is Verdict.ANSWERED else None,
            int(result.was_called),
        ]
    if not rows:
        return {}
    table = Question._meta.db_table
    marks = ", ".join(["(%s, %s, %s, %s, %s, %s, %s, %s, %s)"] * (len(rows) // 9))
    owner = Question._meta.get_field("drain").get_db_prep_save(drain, connection)
    with connection.cursor() as cursor:
        cursor.execute(
            f"UPDATE {table} SET status = v.column3, reason = v.column4, drain = NULL, n_calls = n_calls + v.column9, "
            f"n_tries = n_tries + v.column6, cap_factor = v.column7, answer_id = CAST(v.column8 AS bigint), "
            f"due_at = CASE WHEN v.column3 = 'waiting' THEN {sql_now_plus('v.column5')} ELSE due_at END, "
            f"finished_at = CASE WHEN v.column3 = 'waiting' THEN NULL ELSE {sql_now_plus()} END "
            f"FROM (VALUES {marks}) AS v "
            f"WHERE {table}.id = v.column1 AND {table}.claim_no = v.column2 AND {table}.drain = %s "
            f"AND {table}.status = 'in_flight' RETURNING {table}.id",
            [*rows, owner],
        )
        return {row_id: verdicts[row_id] for (row_id,) in cursor.fetchall()}


def run_usage_add(drain: uuid.UUID, rows: Mapping[tuple[int, int], Mapping[str, Any]]) -> None:
    """Add to what a drain used, by (run id, model id); each row names all of `RUN_USAGE_SUMS`."""
    counters_add(
        RunUsage,
        [
            {"run_id": run_id, "model_id": model_id, "drain": drain, **row}
            for (run_id, model_id), row in rows.items()
        ],
        unique=["run_id", "model_id", "drain"],
        summed=RUN_USAGE_SUMS,
    )


RUN_USAGE_SUMS = ["n_calls", "n_lost", "n_unpriced", "input_tokens", "output_tokens", "cost_usd"]


def _run_usage_add(drain: uuid.UUID, results: Sequence[Result], booked: Mapping[uuid.UUID, Booked]) -> None:
    sums: dict[tuple[int, int], dict[str, Any]] = defaultdict(lambda: dict.fromkeys(RUN_USAGE_SUMS, 0))
    for result in results:
        call = booked.get(result.claim.attempt_id)
        if call is None:
            continue
        row = sums[result.claim.run_id, result.claim.model_id]
        row["n_calls"] += result.was_called and not call.is_late  # a late one was counted when it was lost
        row["n_lost"] -= call.is_late
        row["cost_usd"] += result.cost_usd or ZERO
        if isinstance(result.reply, Reply):
            row["n_unpriced"] += result.cost_usd is None
            row["input_tokens"] += result.reply.input_tokens or 0
            row["output_tokens"] += result.reply.output_tokens or 0
    run_usage_add(drain, sums)


def _usage_add(drain: uuid.UUID, results: Sequence[Result], booked: Mapping[uuid.UUID, Booked]) -> None:
    minute = database_now().replace(second=0, microsecond=0)
    groups: dict[tuple[int, int, int, str], list[Result]] = defaultdict(list)
    for result in results:
        if result.claim.attempt_id in booked and result.key_id is not None:
            groups[result.provider_id, result.claim.model_id, result.key_id, str(result.outcome)].append(
                result
            )
    usage_add([_usage_row(minute, drain, group) for group in groups.values()])
    replies = [result for group in groups.values() for result in group if isinstance(result.reply, Reply)]
    latencies_add(drain, [_latency(result) for result in replies], at=minute)


def _latency(result: Result) -> Latency:
    return Latency(result.provider_id, result.claim.model_id, result.key_id or 0, result.latency_ms)


def _usage_row(minute: datetime, drain: uuid.UUID, group: Sequence[Result]) -> UsageRow:
    first = group[0]
    replies = [result.reply for result in group if isinstance(result.reply, Reply)]
    return UsageRow(
        bucket_at=minute,
        drain=drain,
        provider_id=first.provider_id,
        model_id=first.claim.model_id,
        key_id=first.key_id or 0,
        outcome=str(first.outcome),
        n_calls=len(group),
        input_tokens=sum(reply.input_tokens or 0 for reply in replies),
        output_tokens=sum(reply.output_tokens or 0 for reply in replies),
        reasoning_tokens=sum(reply.reasoning_tokens or 0 for reply in replies),
        cached_tokens=sum(reply.cached_tokens or 0 for reply in replies),
        cost_usd=sum((result.cost_usd or ZERO for result in group), ZERO),
        n_unpriced=sum(isinstance(result.reply, Reply) and result.cost_usd is None for result in group),
        latency_ms_sum=sum(result.latency_ms for result in group),
        latency_ms_max=max(result.latency_ms for result in group),
    )
