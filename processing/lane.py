"""All asking of one model inside a drain: slots first, then claims, then calls; one lane never waits for another.

A lane ends when its model has nothing due or cannot be asked; the drain starts it again when that changes. Its
dealings with the limiter stand in `slots`, the call itself in `calls`.
"""

import asyncio
import itertools
import logging
from collections.abc import Mapping, Sequence
from dataclasses import replace
from typing import TYPE_CHECKING

from django.db import Error as DatabaseError
from redis.exceptions import RedisError

from processing.calls import call_make, refusal_result
from processing.claims import Claim
from processing.services.recording import Result
from processing.slots import LaneSlots, Slot
from providers.facts import LaneFacts, PoolFacts, UsableKey
from providers.limiter import lane_scope
from providers.protocols.base import Ask, Failure, Outcome
from providers.rules.estimates import Tokens

if TYPE_CHECKING:
    from processing.drain import DrainLoop

logger = logging.getLogger(__name__)

WINDOW = 500  # calls in flight per lane
FIRST_CLAIM, LARGEST_CLAIM = 8, 200  # questions; doubles while the lane finds that many
LONGEST_NAP_S = 1.0  # a lane looks up at least this often, to see a stop
REDIS_AWAY_WAIT_S = 1.0
DEFAULT_COOLING_S = 5.0  # after a 429 that names no wait
UNTIL_RECORDED_S = 30.0  # by then the record has told every drain what this one saw
_FAULTS = frozenset({Outcome.OVERLOADED, Outcome.TIMEOUT, Outcome.CONNECTION})


class Lane:
    """One model's asking; `facts` is replaced when keys, limits or the model change."""

    def __init__(self, facts: LaneFacts, drain: "DrainLoop") -> None:
        self.facts = facts
        self.waiting_for = ""
        self.n_in_flight = 0
        self._drain = drain
        self._claim_at_most = FIRST_CLAIM
        self._claim_rounds = itertools.count()
        self._refused_until: dict[int, float] = {}
        self._call_ended = asyncio.Event()
        self.slots = LaneSlots(self, drain)

    @property
    def window(self) -> int:
        """Calls this lane may have in flight."""
        return 1 if self._drain.is_careful else WINDOW

    async def run(self) -> None:
        """Ask until nothing is due, nothing can be asked, or the drain stops."""
        while not self._drain.is_stopping:
            room = self.window - self.n_in_flight - self.slots.n_trading
            if room <= 0 or self._drain.is_full or self.slots.n_trading:
                waiting_for = "its own window" if room <= 0 else "the database"
                await self._nap("a larger slot" if self.slots.n_trading else waiting_for, LONGEST_NAP_S)
                continue
            pools = self.usable_pools()
            if not pools:
                self.waiting_for = "a usable key"
                return
            slots = await self._slots(pools, min(room, self._claim_at_most))
            try:
                if slots and not await self._claim_and_start(slots):
                    return
            except DatabaseError as error:
                logger.warning("lane %s: the database does not answer: %s", self.facts.target.model, error)
                await self._nap("the database", LONGEST_NAP_S)

    def usable_pools(self) -> list[PoolFacts]:
        """Return the pools that have a key and do not rest, each with the keys that may be used now."""
        if self.facts.blocked:
            return []
        pools = [
            replace(pool, keys=self._usable_keys(pool))
            for pool in self.facts.pools
            if not self._drain.rests(pool)
        ]
        return [pool for pool in pools if pool.keys]

    def is_usable(self, slot: Slot) -> bool:
        """Whether a call may still be made in the slot, as far as this drain knows; a probe may when others may not."""
        if self.facts.blocked or (self.slots.is_open and not slot.grant.is_probe):
            return False
        return bool(self.usable_pools())

    def is_refused(self, key: UsableKey) -> bool:
        """Whether the key was refused just now, for all models or for this one."""
        now = asyncio.get_running_loop().time()
        return self._drain.is_dead(key) or self._refused_until.get(key.id, 0.0) > now

    def _usable_keys(self, pool: PoolFacts) -> tuple[UsableKey, ...]:
        return tuple(key for key in pool.keys if not self.is_refused(key))

    async def _slots(self, pools: Sequence[PoolFacts], n: int) -> Sequence[Slot]:
        """Return the slots granted now, after a nap when there are none."""
        try:
            slots, answer = await self.slots.take(pools, n)
        except RedisError as error:
            logger.warning(
                "lane %s: limits are not known, Redis does not answer: %s", self.facts.target.model, error
            )
            await self._nap("Redis", REDIS_AWAY_WAIT_S)
            return ()
        if not slots and answer.is_open:
            await self._nap("its circuit: the provider fails", (answer.retry_in_ms or 1000) / 1000)
        elif not slots and answer.retry_in_ms is None:
            await self._nap("calls in flight", LONGEST_NAP_S)
        elif not slots:
            await self._nap("its rate limit", (answer.retry_in_ms or 1000) / 1000)
        return slots

    async def _claim_and_start(self, slots: Sequence[Slot]) -> int:
        """Claim as many questions as there are slots, start their calls and return how many."""
        claimed: Sequence[tuple[Claim, Ask]] = ()
        try:
            claimed = await self._drain.claim(self.facts.model_id, len(slots), next(self._claim_rounds))
        finally:
            await self._give_back(slots[len(claimed) :])
        self._claim_at_most = min(LARGEST_CLAIM, max(FIRST_CLAIM, 2 * len(claimed)))
        self.waiting_for = ""
        estimates = [self.slots.estimate(claim, ask) for claim, ask in claimed]
        self.slots.expect(estimates)
        for (claim, ask), slot, tokens in zip(claimed, slots, estimates, strict=False):
            self._drain.spawn(self._ask(claim, ask, slot, tokens))
        return len(claimed)

    async def _ask(self, claim: Claim, ask: Ask, slot: Slot, tokens: Tokens) -> None:
        """Make one call at its granted moment and hand its result to the recorder."""
        if reason := self.slots.refusal(tokens):
            await self._give_back([slot])
            self._drain.recorder.add(refusal_result(claim, facts=self.facts, reason=reason))
            return
        fitting = await self.slots.fit(slot, tokens)
        self._call_ended.set()
        if fitting is None:
            await self._drain.release([claim])
            return
        result: Result | None = None
        try:
            result, headers = await call_make(
                claim, ask, facts=self.facts, key=fitting.key, transport=self._drain.transport
            )
            await self._learn(fitting.pool, headers)
            has_failed = result.outcome in _FAULTS
            if result.outcome is not Outcome.LOST:
                await self.slots.circuit_note(fitting, has_failed=has_failed)
            result = replace(result, is_probe=fitting.grant.is_probe or self.slots.is_open)
            await self._react(result, fitting)
            self._drain.recorder.add(result)
        finally:
            self.slots.ended(fitting, claim, ask, result.reply if result is not None else None)
            self._call_ended.set()

    async def _react(self, result: Result, slot: Slot) -> None:
        """Do at once, in this process, what the record will tell the others."""
        reply = result.reply
        if not isinstance(reply, Failure):
            return
        if reply.outcome is Outcome.KEY_INVALID:
            self._drain.key_refused(slot.key)
        elif reply.outcome is Outcome.PERMISSION:
            self._refused_until[slot.key.id] = asyncio.get_running_loop().time() + UNTIL_RECORDED_S
        elif reply.outcome is Outcome.QUOTA_EXHAUSTED:
            self._drain.rest(slot.pool, UNTIL_RECORDED_S)
        elif reply.outcome is Outcome.MODEL_UNKNOWN:
            self.facts = replace(self.facts, blocked="the provider does not know the model")
        elif reply.refused_field:
            target = self.facts.target
            refused = tuple(sorted({*target.refused_fields, reply.refused_field}))
            self.facts = replace(self.facts, target=replace(target, refused_fields=refused))
        elif reply.outcome is Outcome.RATE_LIMITED:
            await self._cool(slot.pool, reply.retry_after_s or DEFAULT_COOLING_S)

    async def _learn(self, pool: PoolFacts, headers: Mapping[str, str]) -> None:
        quirks = self.facts.target.quirks
        if wait_s := self._drain.learning.read(pool, self.facts.model_id, headers, quirks=quirks):
            await self._cool(pool, wait_s)

    async def _cool(self, pool: PoolFacts, wait_s: float) -> None:
        try:
            await self._drain.limiter.cool(lane_scope(pool.id, self.facts.model_id), wait_s=wait_s)
        except RedisError as error:
            logger.warning(
                "lane %s: could not tell others to wait %.0f s: %s", self.facts.target.model, wait_s, error
            )

    async def _give_back(self, slots: Sequence[Slot]) -> None:
        await self.slots.give_back(slots)
        self._call_ended.set()

    async def _nap(self, waiting_for: str, wait_s: float) -> None:
        """Wait for a call to end, at most `wait_s`, and never longer than a look-up."""
        self.waiting_for = waiting_for
        self._call_ended.clear()
        await self._drain.first_of(self._call_ended, min(wait_s, LONGEST_NAP_S))
