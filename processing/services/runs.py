"""Starting, pausing, resuming, cancelling and repeating runs."""

from collections.abc import Sequence
from datetime import timedelta
from typing import Any

from django.db import transaction
from django.db.models import QuerySet
from django.db.models.functions import Now

from processing import dispatch
from processing.errors import Invalid, NothingToRetry, TooManyQuestions, WrongState
from processing.models import Domain, PromptVersion, Question, Run
from processing.services import closing, planning
from processing.services.selection import Names, model_name, models_choose, prompt_versions_choose
from providers.models import LanguageModel

DEFAULT_DEADLINE = timedelta(days=7)


def pending_run_create(
    *,
    actor: str,
    batch_size: int | None,
    priority: int = 5,
    prompts: Names = None,
    models: Names = None,
    providers: Names = None,
    cohorts: Sequence[str] | None = None,
    kind: str = Run.Kind.API,
    drain_only: Any = None,
) -> Run | None:
    """Take up to `batch_size` pending domains (None: all) into a new run and return it; None when none is pending.

    Raises `Invalid`, `NoModels`, `NoPrompts`, `TooManyQuestions`; then nothing was taken.
    """
    choice = _choose(prompts, models, providers)
    selection = {
        "pending": True,
        "batch_size": batch_size,
        "cohorts": list(cohorts) if cohorts is not None else None,
    }
    with transaction.atomic():
        run = _run_insert(
            choice, actor=actor, kind=kind, priority=priority, selection=selection, drain_only=drain_only
        )
        taken = planning.domains_claim(run, planning.pending_domains(cohorts=cohorts), n_at_most=batch_size)
        if not taken:
            transaction.set_rollback(True)
            return None
        _questions_write(run, Domain.objects.filter(open_run=run), choice, n_domains=taken)
    return run


def run_create(
    *,
    actor: str,
    kind: str,
    domains: QuerySet[Domain],
    prompts: Names = None,
    models: Names = None,
    providers: Names = None,
    priority: int = 5,
    parent_run: Run | None = None,
    deadline_at: Any = None,
    drain_only: Any = None,
) -> Run:
    """Ask `domains` (archived ones are left out) with the chosen prompts and models, whether due or not.

    Raises `Invalid` when no domain is left, else as `pending_run_create`.
    """
    choice = _choose(prompts, models, providers)
    domains = domains.filter(is_archived=False)
    with transaction.atomic():
        run = _run_insert(
            choice, actor=actor, kind=kind, priority=priority, drain_only=drain_only, parent_run=parent_run,
            deadline_at=deadline_at, selection={"domains": True},
        )  # fmt: skip
        n_domains = domains.count()
        if not n_domains:
            raise Invalid(
                "No domain to ask.", fields={"domains": ["None of them exists, or all are archived."]}
            )
        _questions_write(run, domains, choice, n_domains=n_domains)
        # by the questions, not by the query: what it asks for may change with the claim
        planning.domains_join(
            run, Domain.objects.filter(pk__in=Question.objects.filter(run=run).values("domain"))
        )
    return run


def cells_run_create(
    *,
    actor: str,
    cells: Sequence[tuple[int, int, int]],
    priority: int,
    parent_run: Run,
    kind: str = Run.Kind.RETRY,
) -> Run:
    """Ask single cells `(domain id, prompt version id, model id)` in a run of their own."""
    versions = list(PromptVersion.objects.filter(pk__in={cell[1] for cell in cells}))
    models = list(LanguageModel.objects.filter(pk__in={cell[2] for cell in cells}))
    with transaction.atomic():
        run = _run_insert(
            _Choice(versions, models, []), actor=actor, kind=kind, priority=priority, parent_run=parent_run,
            selection={"cells": len(cells)},
        )  # fmt: skip
        planning.domains_join(run, Domain.objects.filter(pk__in={cell[0] for cell in cells}))
        Question.objects.bulk_create(
            [Question(run=run, domain_id=d, prompt_version_id=p, model_id=m) for d, p, m in cells],
            batch_size=500,
        )
        _planned(run, len(cells))
    return run


def run_pause(run: Run, *, actor: str, reason: str = "") -> None:
    """Stop asking new questions of the run; calls in flight finish and are stored. A paused run stays paused."""
    words = (reason or f"paused by {actor}")[:200]
    if not _open(run).filter(paused_at__isnull=True).update(paused_at=Now(), pause_reason=words):
        _raise_unless(_open(run).exists(), "Only a run that has not ended can be paused.")


def run_resume(run: Run, *, actor: str) -> None:
    """Go on with a paused run."""
    del actor
    if not _open(run).filter(paused_at__isnull=False).update(paused_at=None, pause_reason=""):
        _raise_unless(_open(run).exists(), "Only a run that has not ended can be resumed.")
    transaction.on_commit(dispatch.drains_dispatch)


def run_cancel(run: Run, *, actor: str) -> None:
    """End the run: waiting questions become cancelled, calls in flight finish and are stored.

    Its domains are pending again once the last call in flight has come back. Cancelling twice changes nothing.
    """
    if not _open(run).filter(cancelled_at__isnull=True).update(cancelled_at=Now(), cancelled_by=actor):
        _raise_unless(
            Run.objects.filter(pk=run.pk, cancelled_at__isnull=False).exists(), "The run has ended already."
        )
        return
    Question.objects.filter(run=run, status=Question.Status.WAITING).update(
        status=Question.Status.CANCELLED, reason="cancelled", finished_at=Now()
    )
    closing.run_close(run.pk)


def run_retry_failed(run: Run, *, actor: str) -> int:
    """Open the failed questions of the run again and return how many; the run itself goes on.

    Raises `NothingToRetry` when none failed, `WrongState` when the run was cancelled.
    """
    del actor
    with transaction.atomic():
        _raise_unless(
            not Run.objects.filter(pk=run.pk, cancelled_at__isnull=False).exists(), "The run was cancelled."
        )
        failed = Question.objects.filter(run=run, status=Question.Status.FAILED)
        domains = Domain.objects.filter(pk__in=failed.values("domain"))
        planning.domains_join(run, domains)
        n = failed.update(
            status=Question.Status.WAITING, reason="retried", due_at=Now(), n_tries=0, n_losses=0, cap_factor=1,
            finished_at=None,
        )  # fmt: skip
        if not n:
            raise NothingToRetry("No question of this run has failed.")
        Run.objects.filter(pk=run.pk).update(
            finished_at=None, n_failed=0, deadline_at=Now() + DEFAULT_DEADLINE
        )
        transaction.on_commit(dispatch.drains_dispatch)
    return n


class _Choice:
    """What a run asks with."""

    def __init__(
        self, versions: list[PromptVersion], models: list[LanguageModel], excluded: list[dict[str, str]]
    ) -> None:
        self.versions, self.models, self.excluded = versions, models, excluded


def _choose(prompts: Names, models: Names, providers: Names) -> _Choice:
    versions = prompt_versions_choose(prompts)
    chosen = models_choose(models, providers)
    return _Choice(versions, chosen.models, chosen.excluded)


def _run_insert(
    choice: _Choice, *, actor: str, kind: str, priority: int, selection: dict[str, Any], **fields: Any
) -> Run:
    selection |= {
        "prompts": [str(v) for v in choice.versions],
        "models": [model_name(m) for m in choice.models],
    }
    fields["deadline_at"] = fields.get("deadline_at") or Now() + DEFAULT_DEADLINE
    run = Run.objects.create(
        created_by=actor,
        kind=kind,
        priority=priority,
        selection=selection,
        excluded=choice.excluded,
        **fields,
    )
    run.prompt_versions.set(choice.versions)
    run.language_models.set(choice.models)
    return run


def _questions_write(run: Run, domains: QuerySet[Domain], choice: _Choice, *, n_domains: int) -> None:
    n_planned = n_domains * len(choice.versions) * len(choice.models)
    if n_planned > planning.MAX_QUESTIONS:
        raise TooManyQuestions(
            f"{n_planned:,} questions are more than one run may hold ({planning.MAX_QUESTIONS:,}): "
            "choose fewer domains, prompts or models."
        )
    n = planning.questions_plan(run, domains, prompt_versions=choice.versions, models=choice.models)
    _planned(run, n)


def _planned(run: Run, n_questions: int) -> None:
    Run.objects.filter(pk=run.pk).update(planned_at=Now(), n_questions=n_questions)
    run.refresh_from_db(fields=["planned_at", "n_questions", "created_at", "deadline_at"])
    if run.drain_only is None:
        transaction.on_commit(dispatch.drains_dispatch)


def _open(run: Run) -> QuerySet[Run]:
    return Run.objects.filter(pk=run.pk, finished_at__isnull=True)


def _raise_unless(is_fine: bool, message: str) -> None:
    if not is_fine:
        raise WrongState(message)
