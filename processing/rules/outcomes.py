"""What follows from the outcome of one call: the question is answered, waits for another try, or has ended.

The table is DESIGN's, section Asking. What an outcome means for keys, pools and models is decided in
`providers.services`, not here.
"""

import random
from dataclasses import dataclass
from enum import StrEnum

from providers.protocols.base import Outcome

RETRY_BASE_S = 1.0
RETRY_CAP_S = 60.0
LONGEST_WAIT_S = 3600.0
CAREFUL_AFTER_LOSSES = 2  # from then on asked alone, in a drain of window 1
POISON_AFTER_LOSSES = 5  # two in company, three alone
LARGER_CAP_FACTOR = 4  # a truncated answer is asked once more with this much room


class Verdict(StrEnum):
    """What becomes of the question."""

    ANSWERED = "answered"
    DECLINED = "declined"
    FAILED = "failed"
    AGAIN = "again"


@dataclass(frozen=True, slots=True)
class NextStep:
    """`delay_s` is the wait before another try; `uses_try` says whether this call counts against the limit."""

    verdict: Verdict
    delay_s: float = 0.0
    uses_try: bool = True
    cap_factor: int = 1


_DECLINED = {Outcome.REFUSED, Outcome.BLOCKED}
_FINAL = {Outcome.BAD_REQUEST, Outcome.TOO_LONG, Outcome.POISON, Outcome.EXPIRED}
_TRANSIENT = {Outcome.OVERLOADED, Outcome.TIMEOUT, Outcome.CONNECTION, Outcome.MALFORMED}
# The key, pair, pool or lane leaves service by itself; the question waits for another one, at no cost in tries.
_BLAMES_KEY_OR_LANE = {
    Outcome.KEY_INVALID, Outcome.PERMISSION, Outcome.QUOTA_EXHAUSTED, Outcome.MODEL_UNKNOWN,
}  # fmt: skip
_BLAMED_WAIT_S = 5.0


def next_step(
    outcome: Outcome,
    *,
    n_tries: int,
    retry_limit: int,
    cap_factor: int = 1,
    has_text: bool = False,
    has_room: bool = True,
    retry_after_s: float | None = None,
    is_mendable: bool = False,
    is_probe: bool = False,
    chance: random.Random | None = None,
) -> NextStep:
    """Return what follows from a call that ended with `outcome`.

    `n_tries` counts the calls that used up a try before this one. `has_room`: a larger output cap than that of
    this call would be allowed. `is_mendable`: the model refused one
    request field, which is left out from now on, so the same question may be asked again. `is_probe`: the
    circuit was open, so a fault of the provider is no news and costs the question no try.

    Example: the third timeout of a question with `retry_limit` 3 ends it:
    `next_step(Outcome.TIMEOUT, n_tries=2, retry_limit=3).verdict == Verdict.FAILED`.
    """
    if outcome is Outcome.ANSWERED:
        return NextStep(Verdict.ANSWERED)
    if outcome is Outcome.TRUNCATED and has_text:
        if cap_factor == 1 and has_room:
            return NextStep(Verdict.AGAIN, cap_factor=LARGER_CAP_FACTOR)
        return NextStep(Verdict.ANSWERED, cap_factor=cap_factor)
    if outcome is Outcome.LOST:  # a shutdown cut the call off: not the question's fault
        return NextStep(Verdict.AGAIN, uses_try=False, cap_factor=cap_factor)
    if outcome in _DECLINED:
        return NextStep(Verdict.DECLINED)
    if outcome is Outcome.RATE_LIMITED:
        return NextStep(
            Verdict.AGAIN, _given_or_backoff(retry_after_s, 0, chance), uses_try=False, cap_factor=cap_factor
        )
    if outcome in _BLAMES_KEY_OR_LANE:
        return NextStep(Verdict.AGAIN, _BLAMED_WAIT_S, uses_try=False, cap_factor=cap_factor)
    if outcome is Outcome.BAD_REQUEST and is_mendable and n_tries + 1 < retry_limit:
        return NextStep(Verdict.AGAIN, cap_factor=cap_factor)
    if outcome in _FINAL:
        return NextStep(Verdict.FAILED)
    if outcome in _TRANSIENT and is_probe:
        return NextStep(Verdict.AGAIN, uses_try=False, cap_factor=cap_factor)
    if outcome in _TRANSIENT:
        return _again_or_failed(
            n_tries, retry_limit, _given_or_backoff(retry_after_s, n_tries, chance), cap_factor
        )
    # Empty, or truncated before any text: once more, with more room (thinking may have eaten the cap).
    return _again_or_failed(n_tries, min(retry_limit, 2), 0.0, LARGER_CAP_FACTOR)


def _again_or_failed(n_tries: int, limit: int, delay_s: float, cap_factor: int) -> NextStep:
    if n_tries + 1 >= limit:
        return NextStep(Verdict.FAILED, cap_factor=cap_factor)
    return NextStep(Verdict.AGAIN, delay_s, cap_factor=cap_factor)


def _given_or_backoff(given_s: float | None, n_tries: int, chance: random.Random | None) -> float:
    """Return the provider's own wait, else full jitter over a doubling ceiling: 1, 2, 4 … 60 s."""
    if given_s is not None:
        return min(max(given_s, 0.0), LONGEST_WAIT_S)
    ceiling_s = min(RETRY_CAP_S, RETRY_BASE_S * 2**n_tries)
    return (chance or random).uniform(0.0, ceiling_s)
