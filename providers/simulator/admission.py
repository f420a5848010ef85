"""Lets calls into a pool or refuses them, by all of its limits at once.

A refused call takes nothing. Tokens count as the limit says: what the answer will really have (`actual`), the cap
that the request names (`cap`), both on arrival, or what the answer had when it ends (`completion`).
"""

from collections import Counter
from dataclasses import dataclass

from providers.simulator.window import NS_PER_S, SlidingWindow

BUSY_WAIT_NS = NS_PER_S  # what is said to one call too many at once: nobody knows when one ends
WHATS = ("requests", "input_tokens", "output_tokens", "tokens", "in_flight")
COUNTS = ("actual", "cap", "completion")


@dataclass(frozen=True, slots=True)
class LimitSpec:
    """At most `amount` of `what` within any `per_s` seconds, or at once for `in_flight`; `model` None: all together."""

    what: str
    amount: int
    per_s: float = 60.0
    model: str | None = None
    counts: str = "actual"


@dataclass(frozen=True, slots=True)
class Size:
    """How large a call is. `cap_tokens` is what its request allows the answer to have, None: nothing said."""

    input_tokens: int
    output_tokens: int
    cap_tokens: int | None = None


@dataclass(frozen=True, slots=True)
class Refusal:
    """Which limit a call did not fit. `wait_ns` None: it is larger than the whole limit and never will."""

    limit: LimitSpec
    n: int
    wait_ns: int | None


@dataclass(frozen=True, slots=True)
class Standing:
    """What is left of a limit now."""

    limit: LimitSpec
    n_left: int
    reset_ns: int


class PoolState:
    """What a pool has taken so far."""

    def __init__(self, limits: tuple[LimitSpec, ...]) -> None:
        self._windows = [
            (one, SlidingWindow(amount=one.amount, per_s=one.per_s))
            for one in limits
            if one.what != "in_flight"
        ]
        self._at_once = [one for one in limits if one.what == "in_flight"]
        self._n_in_flight: Counter[str] = Counter()

    def admit(self, *, model: str, size: Size, now_ns: int) -> Refusal | None:
        """Take the call into every limit, or none: then say which one refuses and for how long."""
        for limit in self._at_once:
            if _applies(limit, model) and self._n_at_once(limit) >= limit.amount:
                return Refusal(limit, 1, BUSY_WAIT_NS)
        wanted = [
            (window, _n_on_arrival(limit, size), limit)
            for limit, window in self._windows
            if _applies(limit, model)
        ]
        refusals = [
            Refusal(limit, n, window.wait_ns(n, now_ns=now_ns))
            for window, n, limit in wanted
            if not window.fits(n, now_ns=now_ns)
        ]
        if refusals:
            return max(refusals, key=lambda one: float("inf") if one.wait_ns is None else one.wait_ns)
        for window, n, _limit in wanted:
            window.add(n, now_ns=now_ns)
        self._n_in_flight[model] += 1
        return None

    def ended(self, *, model: str, size: Size, now_ns: int) -> None:
        """Let an admitted call go, and count what its answer had where the limit counts so."""
        self._n_in_flight[model] -= 1
        for limit, window in self._windows:
            if limit.counts == "completion" and _applies(limit, model):
                window.add(size.output_tokens, now_ns=now_ns)

    def standings(self, *, model: str, now_ns: int) -> list[Standing]:
        """Return what is left of each window that holds for the model."""
        return [
            Standing(
                limit,
                max(0, limit.amount - window.n_used(now_ns=now_ns)),
                window.empty_in_ns(now_ns=now_ns),
            )
            for limit, window in self._windows
            if _applies(limit, model)
        ]

    def clear(self) -> None:
        """Forget what came; calls in flight go on counting until they end."""
        for _limit, window in self._windows:
            window.clear()

    def _n_at_once(self, limit: LimitSpec) -> int:
        return self._n_in_flight.total() if limit.model is None else self._n_in_flight[limit.model]


def _applies(limit: LimitSpec, model: str) -> bool:
    return limit.model is None or limit.model == model


def _n_on_arrival(limit: LimitSpec, size: Size) -> int:
    if limit.what == "requests":
        return 1
    if limit.what == "input_tokens":
        return size.input_tokens
    output = 0 if limit.counts == "completion" else size.output_tokens
    if limit.counts == "cap" and size.cap_tokens is not None:
        output = size.cap_tokens
    return output if limit.what == "output_tokens" else size.input_tokens + output
