"""Writing a run's questions: one claim of domains and one `INSERT … SELECT`, however large the run is.

The statements are written by hand because the ORM has none of them; both databases take the same text but
for row locks. Which prompts and models belong to a run is decided in `services.selection`.
"""

from collections.abc import Sequence

from django.db import connection
from django.db.models import F, Q, QuerySet
from django.db.models.functions import Now

from processing.clock import sql_now_plus
from processing.models import Domain, PromptVersion, Question, Run
from providers.models import LanguageModel

# One request plans at most this many questions (DESIGN: about one second per 20,000 on two cores).
MAX_QUESTIONS = 1_000_000


def pending_filter() -> Q:
    """Return what makes a domain pending: active, in no open run, and due."""
    return Q(is_archived=False, open_run__isnull=True, due_at__lte=Now())


def pending_domains(*, cohorts: Sequence[str] | None = None) -> QuerySet[Domain]:
    """Return the pending domains, in no order; `cohorts` are names, None means all."""
    pending = Domain.objects.filter(pending_filter())
    if cohorts is None:
        return pending
    return pending.filter(
        pk__in=Domain.cohorts.through.objects.filter(cohort__name__in=cohorts).values("domain_id")
    )


def domains_claim(run: Run, domains: QuerySet[Domain], *, n_at_most: int | None) -> int:
    """Set `open_run` of up to `n_at_most` of `domains` to `run` and return how many were taken.

    Most urgent first, then never asked, then oldest asked. Two callers at the same instant never take the
    same domain: PostgreSQL skips rows that another caller has locked, SQLite has one writer at a time.
    """
    ordered = domains.order_by("-priority", F("last_asked_at").asc(nulls_first=True), "id")
    if n_at_most is not None:
        ordered = ordered[:n_at_most]
    pick, parameters = ordered.values("id").query.sql_with_params()  # "pk" would be the column's name
    locks = connection.features.has_select_for_update_skip_locked
    lock = f'FOR UPDATE OF "{Domain._meta.db_table}" SKIP LOCKED' if locks else ""
    with connection.cursor() as cursor:
        cursor.execute(
            # the pick stands inside, since SQLite counts no rows of a statement that begins with WITH
            f"UPDATE {Domain._meta.db_table} SET open_run_id = %s, last_asked_at = {sql_now_plus()} "
            f"WHERE open_run_id IS NULL AND id IN (WITH pick AS MATERIALIZED ({pick} {lock}) SELECT pick.id FROM pick)",
            [run.pk, *parameters],
        )
        return int(cursor.rowcount)


def domains_join(run: Run, domains: QuerySet[Domain]) -> None:
    """Mark `domains` as asked now and claim those for `run` that no other run holds."""
    pick, parameters = domains.values("pk").query.sql_with_params()
    with connection.cursor() as cursor:
        cursor.execute(
            f"UPDATE {Domain._meta.db_table} SET last_asked_at = {sql_now_plus()}, "
            f"open_run_id = COALESCE(open_run_id, %s) WHERE id IN ({pick})",
            [run.pk, *parameters],
        )


def questions_plan(
    run: Run,
    domains: QuerySet[Domain],
    *,
    prompt_versions: Sequence[PromptVersion],
    models: Sequence[LanguageModel],
) -> int:
    """Write one waiting question per domain × prompt version × model and return how many."""
    pick, parameters = domains.order_by().values("pk").query.sql_with_params()
    table, domain_table = Question._meta.db_table, Domain._meta.db_table
    with connection.cursor() as cursor:
        cursor.execute(
            f"INSERT INTO {table} (run_id, domain_id, prompt_version_id, model_id, status, reason, due_at,"
            " n_calls, n_tries, n_losses, cap_factor, claim_no) "
            f"SELECT %s, d.id, p.id, m.id, 'waiting', '', {sql_now_plus()}, 0, 0, 0, 1, 0 "
            f"FROM {domain_table} d CROSS JOIN {PromptVersion._meta.db_table} p "
            f"CROSS JOIN {LanguageModel._meta.db_table} m "
            f"WHERE d.id IN ({pick}) AND p.id IN ({_marks(prompt_versions)}) AND m.id IN ({_marks(models)}) "
            "ORDER BY d.priority DESC, d.id, p.id, m.id",
            [run.pk, *parameters, *(v.pk for v in prompt_versions), *(m.pk for m in models)],
        )
        return int(cursor.rowcount)


def _marks(rows: Sequence[object]) -> str:
    return ", ".join(["%s"] * len(rows))
