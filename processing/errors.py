"""What can go wrong for the caller of a service: each class carries the HTTP status and code of `API.md`.

A message says what is wrong and what to do next. Errors of single provider calls are not here: they are
outcomes of attempts (`providers.protocols.base.Outcome`).
"""

from providers.errors import ApplicationError

__all__ = [
    "AlreadyProcessing",
    "ApplicationError",
    "Conflict",
    "Invalid",
    "NeverAsked",
    "NoModels",
    "NoPrompts",
    "NotFound",
    "NothingToRetry",
    "TooLarge",
    "TooManyQuestions",
    "Unavailable",
    "WrongState",
]


class Invalid(ApplicationError):
    """A value is out of range or unknown; `fields` says which."""


class NotFound(ApplicationError):
    """There is no such thing, or the caller may not see it."""

    status = 404
    code = "not_found"


class Conflict(ApplicationError):
    """The state of things does not allow it now."""

    status = 409


class NoModels(Conflict):
    """No model can be asked: add a key, or enable a provider or model."""

    code = "no_models"


class NoPrompts(Conflict):
    """No prompt was chosen and none is a default."""

    code = "no_prompts"


class NothingToRetry(Conflict):
    """Every cell of the last selection has an answer."""

    code = "nothing_to_retry"


class NeverAsked(Conflict):
    """The domain was in no run yet, so there is no selection to ask again."""

    code = "never_asked"


class AlreadyProcessing(Conflict):
    """All of it is being asked already; `extra["run"]` names the run."""

    code = "already_processing"


class WrongState(Conflict):
    """The run has ended, or is not in the state that this needs."""

    code = "wrong_state"


class TooManyQuestions(ApplicationError):
    """The selection is larger than one request may start."""

    status = 413
    code = "too_many_questions"


class Unavailable(ApplicationError):
    """A service that we need does not answer now; try again later."""

    status = 503
    code = "unavailable"


class TooLarge(ApplicationError):
    """More than one request may hold: send it in parts."""

    status = 413
    code = "too_large"
