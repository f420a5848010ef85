"""What state a run or a domain is in, derived from facts: nothing stores a status.

The same rules stand in SQL for filters and counts (`selectors.runs.with_status`,
`selectors.domains.with_status`); a test holds both against each other.
"""

from dataclasses import dataclass
from enum import StrEnum


class RunStatus(StrEnum):
    """The words of the API for a run."""

    PLANNING = "planning"
    RUNNING = "running"
    PAUSED = "paused"
    COMPLETED = "completed"
    PARTIAL = "partial"
    FAILED = "failed"
    CANCELLED = "cancelled"


class DomainStatus(StrEnum):
    """The words of the API for a domain, in order of precedence after `archived`."""

    ARCHIVED = "archived"
    PROCESSING = "processing"
    PENDING = "pending"
    COMPLETED = "completed"
    PARTIAL = "partial"
    FAILED = "failed"
    IDLE = "idle"


@dataclass(frozen=True, slots=True)
class Coverage:
    """How many questions of a run ended how. `questions` is None while the run is being planned."""

    questions: int | None
    answered: int = 0
    failed: int = 0
    declined: int = 0
    skipped: int = 0
    cancelled: int = 0

    @property
    def ended(self) -> int:
        """Questions that are not open any more."""
        return self.answered + self.failed + self.declined + self.skipped + self.cancelled

    @property
    def open(self) -> int | None:
        """Questions that wait or are in flight; None while the run is being planned."""
        return None if self.questions is None else max(0, self.questions - self.ended)

    @property
    def ended_share(self) -> float | None:
        """Share of questions that ended, 0–1; None while planning or without questions."""
        return self.ended / self.questions if self.questions else None


def run_status(
    coverage: Coverage, *, is_planned: bool, is_paused: bool, is_cancelled: bool, is_finished: bool
) -> RunStatus:
    """Return the status of a run.

    A run that ended is `completed` only when every question was answered or skipped and at least one was
    answered; `partial` when some were answered; `failed` when none was: a run without a stored answer never
    looks green.
    """
    if is_cancelled:
        return RunStatus.CANCELLED
    if not is_finished:
        if not is_planned:
            return RunStatus.PLANNING
        return RunStatus.PAUSED if is_paused else RunStatus.RUNNING
    if not coverage.answered:
        return RunStatus.FAILED
    if coverage.answered + coverage.skipped == coverage.questions:
        return RunStatus.COMPLETED
    return RunStatus.PARTIAL


def domain_status(
    *, is_archived: bool, has_open_run: bool, is_due: bool, n_cells: int, n_answered_cells: int
) -> DomainStatus:
    """Return the status of a domain: archived > processing > pending > the newest result per cell.

    `idle` is a domain that was never asked and is not due (staff took its due date away).
    """
    if is_archived:
        return DomainStatus.ARCHIVED
    if has_open_run:
        return DomainStatus.PROCESSING
    if is_due:
        return DomainStatus.PENDING
    if not n_cells:
        return DomainStatus.IDLE
    if n_answered_cells == n_cells:
        return DomainStatus.COMPLETED
    return DomainStatus.PARTIAL if n_answered_cells else DomainStatus.FAILED
