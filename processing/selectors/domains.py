"""Reads domains: with their derived status, by what a caller names, and with what was found out about them.

The status in SQL stands beside the rule that it repeats (`rules.status.domain_status`); a test holds both against
each other. Every function takes a fixed number of queries, however many domains are asked for. The history of
answers is in `selectors.answers`, what changes domains in `services.domains`.
"""

from collections import Counter, defaultdict
from collections.abc import Iterable, Sequence
from dataclasses import dataclass
from datetime import datetime

from django.db.models import Case, Count, F, Max, Min, Q, QuerySet, Value, When
from django.db.models.functions import Now

from processing.errors import Invalid, NotFound
from processing.models import Attempt, Cohort, Domain, Question, Run
from processing.rules.names import NameRefused, parse_name
from processing.rules.status import Coverage, DomainStatus
from processing.selectors.answers import attempts_with_names, questions_with_names
from providers.protocols.base import Outcome

MAX_ID = 2**63 - 1
MAX_SHOWN = 20  # unknown names in one message
ENDED_STATUSES = ("answered", "failed", "declined", "skipped", "cancelled")
WITH_RESULT = (Question.Status.ANSWERED, Question.Status.SKIPPED)
ENDED_BADLY = (Question.Status.FAILED, Question.Status.DECLINED)

Cell = tuple[int, int]  # prompt version id, model id


@dataclass(frozen=True, slots=True)
class CellError:
    """A cell without an answer: its newest question, and that one's newest bad attempt (None: never called)."""

    question: Question
    attempt: Attempt | None


def with_status(domains: QuerySet[Domain]) -> QuerySet[Domain]:
    """Annotate `status_name`: the same rule as `rules.status.domain_status`, in SQL, for filters and counts."""
    return domains.annotate(
        status_name=Case(
            When(is_archived=True, then=Value(DomainStatus.ARCHIVED.value)),
            When(open_run__isnull=False, then=Value(DomainStatus.PROCESSING.value)),
            When(due_at__lte=Now(), then=Value(DomainStatus.PENDING.value)),
            When(n_cells=0, then=Value(DomainStatus.IDLE.value)),
            When(n_answered_cells=F("n_cells"), then=Value(DomainStatus.COMPLETED.value)),
            When(n_answered_cells=0, then=Value(DomainStatus.FAILED.value)),
            default=Value(DomainStatus.PARTIAL.value),
        )
    )


def domains_by_status() -> dict[str, int]:
    """Return status → number of domains; statuses of none are left out."""
    counted = with_status(Domain.objects.order_by()).values_list("status_name")  # type: ignore[misc]
    return dict(counted.annotate(n=Count("id")))


def next_due_at_for(domains: QuerySet[Domain]) -> datetime | None:
    """Return when the next of these domains becomes pending; None when none ever will."""
    waiting = domains.filter(is_archived=False, open_run__isnull=True, due_at__gt=Now())
    next_due_at: datetime | None = waiting.aggregate(next=Min("due_at"))["next"]
    return next_due_at


def domains_in(cohorts: Sequence[str] | None) -> QuerySet[Domain]:
    """Return the domains of these cohorts; None means all."""
    if cohorts is None:
        return Domain.objects.all()
    members = Domain.cohorts.through.objects.filter(cohort__name__in=cohorts)
    return Domain.objects.filter(pk__in=members.values("domain_id"))


def cohorts_check(names: Sequence[str] | None) -> None:
    """Raise `Invalid` that names the cohorts which do not exist."""
    known = set(Cohort.objects.filter(name__in=names or ()).values_list("name", flat=True))
    if unknown := [name for name in names or () if name not in known]:
        shown = [f"There is no cohort {printable(name)}." for name in unknown[:MAX_SHOWN]]
        raise Invalid("Some cohorts do not exist.", fields={"cohorts": shown})


def domain_for(reference: str) -> Domain:
    """Return the domain of this id or name (`17`, `nike.com`, `https://www.nike.com`), with its status.

    Raises `NotFound`.
    """
    matching = with_status(Domain.objects.filter(_is_any_of([_key(reference)])))
    domain = matching.select_related("open_run").prefetch_related("cohorts").first()
    if domain is None:
        kind = "id" if _is_id(reference) else "name"
        raise NotFound(f"No domain has the {kind} {printable(reference)}.")
    return domain


def domains_named(references: Sequence[str | int]) -> QuerySet[Domain]:
    """Return the domains of these ids and names. Raises `Invalid` that names those that do not exist."""
    keys = {str(reference): _key(str(reference)) for reference in references}
    domains = Domain.objects.filter(_is_any_of(keys.values()))
    known: set[int | str | None] = set()
    for pk, name in domains.values_list("pk", "name"):
        known |= {pk, name}
    unknown = [reference for reference, key in keys.items() if key not in known]
    if unknown:
        shown = [f"There is no domain {printable(reference)}." for reference in unknown[:MAX_SHOWN]]
        raise Invalid("Some domains do not exist.", fields={"domains": shown})
    return domains


def coverages_for_domains(domains: Iterable[Domain]) -> dict[int, Coverage]:
    """Return domain id → how the cells of its last selection ended, or stand now while they are asked again."""
    coverages = {}
    for domain_id, cells in newest_cells(domains).items():
        counts = Counter(question.status for question in cells.values())
        ended = {status: counts[status] for status in ENDED_STATUSES}
        coverages[domain_id] = Coverage(len(cells), **ended)
    return coverages


def newest_cells(domains: Iterable[Domain]) -> dict[int, dict[Cell, Question]]:
    """Return domain id → cell → newest question of its last selection; cancelled ones say nothing.

    The last selection is that of the open run when it chose prompts and models itself; else that of the last
    such run that ended, with the retries of its cells.
    """
    domains = list(domains)
    cells: dict[int, dict[Cell, Question]] = {domain.pk: {} for domain in domains}
    roots = _selection_runs(domains)
    family = defaultdict(set, {root: {root} for root in roots.values()})
    for run_id, parent_id in Run.objects.filter(parent_run__in=family).values_list("pk", "parent_run_id"):
        family[parent_id].add(run_id)
    run_ids = {run_id for members in family.values() for run_id in members}
    questions = Question.objects.filter(domain__in=roots, run__in=run_ids).exclude(run__kind=Run.Kind.PROBE)
    for question in questions.exclude(status=Question.Status.CANCELLED).order_by("id"):
        if question.run_id in family[roots[question.domain_id]]:
            cells[question.domain_id][question.prompt_version_id, question.model_id] = question
    return cells


def latest_answers(domain: Domain, *, with_text: bool = False) -> list[Attempt]:
    """Return the newest answer per prompt and model, by prompt and model name; probes do not count."""
    answered = Question.objects.filter(domain=domain, answer__isnull=False).exclude(run__kind=Run.Kind.PROBE)
    newest = (
        answered.order_by().values("prompt_version__prompt_id", "model_id").annotate(newest=Max("answer_id"))
    )
    ordering = (
        "question__prompt_version__prompt__name",
        "question__model__provider__name",
        "question__model__name",
    )
    return list(
        attempts_with_names(with_text=with_text).filter(pk__in=newest.values("newest")).order_by(*ordering)
    )


def open_errors(domain: Domain) -> list[CellError]:
    """Return the cells that failed, were declined or are being tried again after a bad call, by question id."""
    (cells,) = newest_cells([domain]).values()
    open_ids = [cell.pk for cell in cells.values() if cell.status not in WITH_RESULT]
    bad = Attempt.objects.filter(question__in=open_ids).exclude(outcome=Outcome.ANSWERED)
    newest = bad.order_by().values("question_id").annotate(newest=Max("pk")).values("newest")
    attempts = {attempt.question_id: attempt for attempt in attempts_with_names().filter(pk__in=newest)}
    questions = questions_with_names().filter(pk__in=open_ids).order_by("pk")
    errors = [CellError(question, attempts.get(question.pk)) for question in questions]
    return [error for error in errors if error.attempt or error.question.status in ENDED_BADLY]


def printable(reference: str) -> str:
    """A caller's own words as they may stand in a message: short, and without what JSON cannot hold."""
    return reference[:100].encode("utf-8", "replace").decode()


def _selection_runs(domains: Sequence[Domain]) -> dict[int, int]:
    open_ids = {domain.open_run_id for domain in domains if domain.open_run_id}
    full = Run.objects.filter(pk__in=open_ids, parent_run__isnull=True).exclude(kind=Run.Kind.PROBE)
    full_ids = set(full.values_list("pk", flat=True))
    roots = {d.pk: d.open_run_id if d.open_run_id in full_ids else d.selection_run_id for d in domains}
    return {domain_id: root for domain_id, root in roots.items() if root is not None}


def _is_id(reference: str) -> bool:
    return reference.isascii() and reference.isdigit()


def _key(reference: str) -> int | str | None:
    """Return the id or the stored name; None when it can be neither."""
    if _is_id(reference):
        return int(reference) if len(reference) < 20 and int(reference) <= MAX_ID else None
    try:
        return parse_name(reference).name
    except NameRefused:
        return None


def _is_any_of(keys: Iterable[int | str | None]) -> Q:
    keys = list(keys)
    ids = [key for key in keys if isinstance(key, int)]
    return Q(pk__in=ids) | Q(name__in=[key for key in keys if isinstance(key, str)])
