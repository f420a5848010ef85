"""What a drain learns of limits from the headers of answers: kept for the record, and minded at once when used up."""

import time
from collections.abc import Mapping
from typing import Any

from providers.facts import PoolFacts
from providers.rules.limit_headers import LearnedLimit, learned_limits
from providers.services.learned_limits import limits_learn

READ_EVERY_S = 1.0  # reading headers of each answer would cost more than it tells
TOLD_EVERY_S = 60.0
LONGEST_COOLING_S = 60.0


class Learning:
    """What the answers of one drain said; `tell` runs in the database thread, all else in the event loop."""

    def __init__(self) -> None:
        self._read_at: dict[tuple[int, int], float] = {}
        self._told_at: dict[tuple[int, int], float] = {}
        self._latest: dict[tuple[int, int], list[LearnedLimit]] = {}

    def read(
        self, pool: PoolFacts, model_id: int, headers: Mapping[str, str], *, quirks: Mapping[str, Any]
    ) -> float:
        """Take in the headers of an answer; return for how many seconds nothing more may be asked, 0 as a rule.

        What our own limits count as tightly is left to them: they know the moment when there is room again.
        """
        now, lane = time.monotonic(), (pool.id, model_id)
        if not headers or now - self._read_at.get(lane, -READ_EVERY_S) < READ_EVERY_S:
            return 0.0
        self._read_at[lane] = now
        found = learned_limits(headers, quirks)
        if found:
            self._latest[lane] = found
        used_up = [one.reset_s or 0.0 for one in found if one.remaining == 0 and not _is_counted(pool, one)]
        return min(max(used_up, default=0.0), LONGEST_COOLING_S)

    def tell(self) -> None:
        """Bring what is new into the record, once a minute for each pool and model."""
        now = time.monotonic()
        for lane in [
            one for one in self._latest if now - self._told_at.get(one, -TOLD_EVERY_S) >= TOLD_EVERY_S
        ]:
            self._told_at[lane] = now
            limits_learn(pool_id=lane[0], model_id=lane[1], learned=self._latest.pop(lane))


def _is_counted(pool: PoolFacts, one: LearnedLimit) -> bool:
    return any(
        limit.what == one.what and limit.window_ms == (one.per_s or 0) * 1000 and limit.amount <= one.amount
        for limit in pool.limits
    )
