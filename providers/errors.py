"""What can go wrong for the caller of a service: each class carries the HTTP status and code of the API.

Failures of single calls to a provider are not here: they are values (`providers.protocols.base.Failure`).
"""

from typing import Any, ClassVar


class ApplicationError(Exception):
    """A request that cannot be served as it is. `fields` maps field names to messages; `extra` joins the error."""

    status: ClassVar[int] = 400
    code: ClassVar[str] = "validation"

    def __init__(
        self, message: str, *, fields: dict[str, list[str]] | None = None, extra: dict[str, Any] | None = None
    ) -> None:
        super().__init__(message)
        self.message = message
        self.fields = fields
        self.extra = extra or {}


class InvalidSecret(ApplicationError):
    """The text cannot be a key: a header cannot carry it."""


class DuplicateKey(ApplicationError):
    """The provider has this key already; enable or relabel that one instead."""

    status = 409
    code = "duplicate_key"


class WrongKeyState(ApplicationError):
    """The key's state or source does not allow this."""

    status = 409
    code = "wrong_state"


class SimulationRefused(ApplicationError):
    """Providers may not be simulated here and now: something real could be reached."""

    status = 409
    code = "wrong_state"


class UnknownProvider(ApplicationError):
    """There is no provider of this name."""


class NotFound(ApplicationError):
    """There is no such provider, model or key."""

    status = 404
    code = "not_found"


class Unreadable(Exception):
    """A stored secret cannot be decrypted: its master key is gone, or it belongs to another row."""
