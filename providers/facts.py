"""What a lane knows of its model while it asks: pools, limits and keys, as plain values.

`providers.keyring` reads them from the rows, `providers.limiter` grants by them.
"""

from dataclasses import dataclass
from datetime import datetime

from providers.protocols.base import Target
from providers.rules.secret import Secret

LONG_WINDOW_MS = 180_000  # nobody waits that long for an emptied Redis: counts come from the record instead


@dataclass(frozen=True)
class UsableKey:
    """A key that may be used now; `secret` None: the provider needs none.

    `gate`: it may be used for one call at a time in the whole fleet, which finds out whether it works again;
    keys with the same gate share that one call. "": it is in full service.
    """

    id: int
    pool_id: int
    last4: str
    secret: Secret | None
    gate: str = ""


@dataclass(frozen=True)
class PoolLimit:
    """`amount` of `what` (as `Limit.What`) per `window_ms`, None for calls at once and for calendar limits.

    `scope` is the limiter's name for what shares it: `<pool id>`, or `<pool id>:<model id>`. `resets` is
    `rolling`, or the period (`day`, `month`) that begins in `zone`.
    """

    what: str
    amount: int
    window_ms: int | None
    scope: str
    resets: str = "rolling"
    zone: str = "UTC"
    at_completion: bool = False
    is_learned: bool = False

    @property
    def kind(self) -> str:
        """How it is counted: `in_flight`, `window` or `calendar`."""
        if self.what == "in_flight":
            return "in_flight"
        return "window" if self.resets == "rolling" else "calendar"

    @property
    def key(self) -> str:
        """Name of its count in Redis."""
        return f"{self.scope}:{self.what}:{self.window_ms or self.resets}"

    @property
    def is_long(self) -> bool:
        """Whether nobody could wait for a whole window: its count comes back from the record of usage."""
        return self.kind == "calendar" or (self.window_ms or 0) > LONG_WINDOW_MS


@dataclass(frozen=True)
class PoolFacts:
    """A pool that has usable keys, with the limits that bind one model.

    `has_recent_calls`: its provider was called within the last 3 minutes, as the usage rows say.
    """

    id: int
    resting_until: datetime | None
    limits: tuple[PoolLimit, ...]
    keys: tuple[UsableKey, ...]
    has_recent_calls: bool


@dataclass(frozen=True)
class LaneFacts:
    """All that a lane needs. `blocked` says why nothing can be asked now, "" when something can."""

    model_id: int
    provider_id: int
    target: Target
    pools: tuple[PoolFacts, ...]
    blocked: str
