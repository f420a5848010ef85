"""Taking questions for a lane, and giving them back: the fence that keeps two drains from asking the same one.

A claim is one conditional UPDATE over a materialised pick; `(drain, claim_no)` is from then on the only token
under which the question may be changed. Which slots allow a claim is the limiter's business.
"""

import uuid
from collections.abc import Collection, Iterable, Sequence
from dataclasses import dataclass

from django.db import connection
from django.db.models import Min, QuerySet
from django.db.models.functions import Now

from processing.clock import sql_now_plus
from processing.dispatch import open_runs
from processing.models import Question, Run
from processing.rules.outcomes import CAREFUL_AFTER_LOSSES

# Attempt ids are made from the claim, so every process that speaks of a call gives it the same id.
_ATTEMPT_NAMESPACE = uuid.UUID("5f6ad3a4-6d0f-4a52-9f0d-0f4f3c1d9a11")
FAIRNESS_EVERY = 10  # each tenth claim goes to the run that has waited longest

WAITING, IN_FLIGHT = Question.Status.WAITING, Question.Status.IN_FLIGHT


@dataclass(frozen=True, slots=True)
class Claim:
    """A question in this drain's hands."""

    question_id: int
    claim_no: int
    run_id: int
    domain_id: int
    prompt_version_id: int
    model_id: int
    n_tries: int
    n_losses: int
    cap_factor: int

    @property
    def attempt_id(self) -> uuid.UUID:
        """The id of the call made under this claim."""
        return attempt_id(self.question_id, self.claim_no)


def attempt_id(question_id: int, claim_no: int) -> uuid.UUID:
    """Return the id of the one call that a claim may make."""
    return uuid.uuid5(_ATTEMPT_NAMESPACE, f"{question_id}:{claim_no}")


def runs_of(drain: uuid.UUID, *, only_own: bool) -> QuerySet[Run]:
    """Return the open runs that a drain may serve: all that are not another's own, or only its own."""
    return open_runs().filter(drain_only=drain) if only_own else open_runs().filter(drain_only__isnull=True)


def questions_claim(
    drain: uuid.UUID,
    *,
    model_id: int,
    n: int,
    only_own: bool = False,
    careful: bool = False,
    claim_round: int = 0,
) -> list[Claim]:
    """Take up to `n` due questions of a lane, from the most urgent run on, and return them in order.

    `claim_round` counts the lane's claims: each tenth begins with the run that has waited longest.
    """
    runs = list(runs_of(drain, only_own=only_own).values_list("pk", flat=True))
    if claim_round % FAIRNESS_EVERY == FAIRNESS_EVERY - 1 and len(runs) > 1:
        oldest = min(runs)
        runs = [oldest, *(run_id for run_id in runs if run_id != oldest)]
    claims: list[Claim] = []
    for run_id in runs:
        if len(claims) >= n:
            break
        claims += _claim_of_run(drain, run_id=run_id, model_id=model_id, n=n - len(claims), careful=careful)
    if claims:
        Run.objects.filter(pk__in={claim.run_id for claim in claims}, started_at__isnull=True).update(
            started_at=Now()
        )
    return claims


def questions_release(drain: uuid.UUID, claims: Iterable[Claim]) -> int:
    """Put claimed questions that were not called back to waiting; only those that this drain still owns."""
    return _release(drain, ((claim.question_id, claim.claim_no) for claim in claims))


def strays_release(drain: uuid.UUID, known: Collection[tuple[int, int]]) -> int:
    """Put back what the record shows in this drain's hands though the drain does not know of it.

    That happens when the connection is lost after a claim was committed and before it was reported.
    """
    owned = Question.objects.filter(drain=drain, status=IN_FLIGHT).values_list("pk", "claim_no")
    return _release(drain, [token for token in owned if token not in known])


def seconds_to_next_due(
    drain: uuid.UUID, *, model_ids: Sequence[int], only_own: bool = False, careful: bool = False
) -> dict[int, float]:
    """Return, per model with waiting questions, the seconds until its next one is due (0: it is)."""
    losses = {"n_losses__gte" if careful else "n_losses__lt": CAREFUL_AFTER_LOSSES}
    rows = (
        Question.objects.filter(
            run__in=runs_of(drain, only_own=only_own).order_by().values("pk"),
            model__in=model_ids, status=WAITING, **losses,
        )
        .values("model_id")
        .annotate(next_due=Min("due_at"), now=Now())
        .values_list("model_id", "next_due", "now")
    )  # fmt: skip
    return {model_id: max(0.0, (next_due - now).total_seconds()) for model_id, next_due, now in rows}


def _release(drain: uuid.UUID, tokens: Iterable[tuple[int, int]]) -> int:
    return sum(
        Question.objects.filter(pk=question_id, drain=drain, claim_no=claim_no, status=IN_FLIGHT).update(
            status=WAITING, drain=None, reason="released", due_at=Now()
        )
        for question_id, claim_no in tokens
    )


def _claim_of_run(drain: uuid.UUID, *, run_id: int, model_id: int, n: int, careful: bool) -> list[Claim]:
    table = Question._meta.db_table
    lock = "FOR UPDATE SKIP LOCKED" if connection.features.has_select_for_update_skip_locked else ""
    losses = f"n_losses >= {CAREFUL_AFTER_LOSSES}" if careful else f"n_losses < {CAREFUL_AFTER_LOSSES}"
    with connection.cursor() as cursor:
        cursor.execute(
            "WITH pick AS MATERIALIZED ("
            f" SELECT id FROM {table} WHERE run_id = %s AND model_id = %s AND status = 'waiting'"
            f" AND due_at <= {sql_now_plus()} AND {losses} ORDER BY due_at, id LIMIT %s {lock}) "
            f"UPDATE {table} SET status = 'in_flight', drain = %s, claim_no = claim_no + 1, reason = '' "
            "WHERE id IN (SELECT id FROM pick) AND status = 'waiting' "
            "RETURNING id, claim_no, run_id, domain_id, prompt_version_id, model_id, n_tries, n_losses, cap_factor",
            [run_id, model_id, n, Question._meta.get_field("drain").get_db_prep_value(drain, connection)],
        )
        return sorted((Claim(*row) for row in cursor.fetchall()), key=lambda claim: claim.question_id)
