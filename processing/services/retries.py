"""Asking a domain's last selection again, whole or where it has no answer."""

from processing.errors import AlreadyProcessing, NeverAsked, NothingToRetry
from processing.models import Domain, Question, Run
from processing.services.runs import cells_run_create

Cell = tuple[int, int, int]
RETRY_PRIORITY = 9


def domain_retry(domain: Domain, *, actor: str, only: str = "failed", priority: int = RETRY_PRIORITY) -> Run:
    """Ask the cells of the domain's last selection again and return the new run.

    `only`: `failed` asks what has no answer, `all` asks every cell. Cells that are open in any run are left
    out. Raises `NeverAsked`, `NothingToRetry`, or `AlreadyProcessing` when every cell is open.
    """
    selection = _last_selection(domain)
    if selection is None:
        raise NeverAsked(
            f"{domain.name} was never asked, so there is nothing to repeat: start a run instead."
        )
    newest = _newest_results(domain, selection)
    wanted = [cell for cell, status in newest.items() if only == "all" or status not in _HAS_RESULT]
    if not wanted:
        raise NothingToRetry(f"Every question about {domain.name} has an answer. Use only=all to ask again.")
    open_cells = _open_cells(domain)
    free = [cell for cell in wanted if cell not in open_cells]
    if not free:
        raise AlreadyProcessing(
            f"All of it is being asked already, in run {open_cells[wanted[0]]}.",
            extra={"run": open_cells[wanted[0]]},
        )
    return cells_run_create(actor=actor, cells=free, priority=priority, parent_run=selection)


_HAS_RESULT = {Question.Status.ANSWERED, Question.Status.SKIPPED}


def _last_selection(domain: Domain) -> Run | None:
    """Return the newest run that chose prompts and models for the domain: not a retry, not a probe."""
    asked = Question.objects.filter(domain=domain, run__parent_run__isnull=True).exclude(
        run__kind=Run.Kind.PROBE
    )
    newest = asked.order_by("-run_id").values_list("run_id", flat=True).first()
    return Run.objects.get(pk=newest) if newest else None


def _newest_results(domain: Domain, selection: Run) -> dict[Cell, str]:
    family = Run.objects.filter(pk=selection.pk) | Run.objects.filter(parent_run=selection)
    rows = (
        Question.objects.filter(domain=domain, run__in=family.values("pk"))
        .order_by("id")
        .values_list("prompt_version_id", "model_id", "status")
    )
    # a later row replaces an earlier one; a cancelled question says nothing about its cell
    newest: dict[Cell, str] = {}
    for prompt_version_id, model_id, status in rows:
        cell = (domain.pk, prompt_version_id, model_id)
        if status != Question.Status.CANCELLED or cell not in newest:
            newest[cell] = status
    return newest


def _open_cells(domain: Domain) -> dict[Cell, int]:
    rows = Question.objects.filter(domain=domain, status__in=Question.OPEN).values_list(
        "prompt_version_id", "model_id", "run_id"
    )
    return {(domain.pk, prompt_version_id, model_id): run_id for prompt_version_id, model_id, run_id in rows}
