"""All asking of one model inside a drain: slots first, then claims, then calls; one lane never waits for another.

A lane ends when its model has nothing due or cannot be asked; the drain starts it again when that changes.
"""

import asyncio
import itertools
import logging
import time
from collections.abc import Sequence
from dataclasses import replace
from datetime import UTC, datetime
from decimal import Decimal
from typing import TYPE_CHECKING

from django.db import Error as DatabaseError
from redis.exceptions import RedisError

from processing.claims import Claim
from processing.services.recording import Result
from providers.keyring import LaneFacts, PoolFacts, UsableKey
from providers.limiter import Grant, lane_scope
from providers.prices import cost_usd
from providers.protocols import protocol_for
from providers.protocols.base import Ask, Failure, Outcome, Reply

if TYPE_CHECKING:
    from processing.drain import DrainLoop

logger = logging.getLogger(__name__)

WINDOW = 500  # calls in flight per lane
FIRST_CLAIM, LARGEST_CLAIM = 8, 200  # questions; doubles while the lane finds that many
LONGEST_NAP_S = 1.0  # a lane looks up at least this often, to see a stop
REDIS_AWAY_WAIT_S = 1.0
DEFAULT_COOLING_S = 5.0  # after a 429 that names no wait
DEFAULT_REST_S = 900.0  # after "no credit" that names no reset


class Lane:
    """One model's asking; `facts` is replaced when keys, limits or the model change."""

    def __init__(self, facts: LaneFacts, drain: "DrainLoop") -> None:
        self.facts = facts
        self.waiting_for = ""
        self.n_in_flight = 0
        self._drain = drain
        self._claim_at_most = FIRST_CLAIM
        self._claim_rounds = itertools.count()
        self._turns = itertools.count()
        self._call_ended = asyncio.Event()

    @property
    def window(self) -> int:
        """Calls this lane may have in flight."""
        return 1 if self._drain.is_careful else WINDOW

    async def run(self) -> None:
        """Ask until nothing is due, nothing can be asked, or the drain stops."""
        while not self._drain.is_stopping:
            room = self.window - self.n_in_flight
            if room <= 0 or self._drain.is_full:
                await self._nap("its own window" if room <= 0 else "the database", LONGEST_NAP_S)
                continue
            pool = self._usable_pool()
            if pool is None:
                self.waiting_for = "a usable key"
                return
            grants = await self._slots(pool, min(room, self._claim_at_most))
            try:
                if grants and not await self._claim_and_start(pool, grants):
                    return
            except DatabaseError as error:
                logger.warning("lane %s: the database does not answer: %s", self.facts.target.model, error)
                await self._nap("the database", LONGEST_NAP_S)

    def _usable_pool(self) -> PoolFacts | None:
        """Return the next pool in turn that has a key and does not rest."""
        pools = [pool for pool in self.facts.pools if self._usable_keys(pool) and not self._drain.rests(pool)]
        return pools[next(self._turns) % len(pools)] if pools and not self.facts.blocked else None

    def _usable_keys(self, pool: PoolFacts) -> list[UsableKey]:
        return [key for key in pool.keys if not self._drain.is_dead(key)]

    async def _slots(self, pool: PoolFacts, n: int) -> Sequence[Grant]:
        """Return the slots granted now; they count as in flight until their call has ended or they went back."""
        try:
            async with self._drain.pool_lock(pool.id):
                answer = await self._drain.limiter.acquire(
                    pool, n=n, model_id=self.facts.model_id, in_flight=self._drain.in_flight
                )
                self._began(pool, len(answer.grants))
        except RedisError as error:
            logger.warning(
                "lane %s: limits are not known, Redis does not answer: %s", self.facts.target.model, error
            )
            await self._nap("Redis", REDIS_AWAY_WAIT_S)
            return ()
        if not answer.grants:
            wait_s = LONGEST_NAP_S if answer.retry_in_ms is None else answer.retry_in_ms / 1000
            await self._nap("calls in flight" if answer.retry_in_ms is None else "its rate limit", wait_s)
        return answer.grants

    async def _claim_and_start(self, pool: PoolFacts, grants: Sequence[Grant]) -> int:
        """Claim as many questions as there are slots, start their calls and return how many."""
        claimed: Sequence[tuple[Claim, Ask]] = ()
        try:
            claimed = await self._drain.claim(self.facts.model_id, len(grants), next(self._claim_rounds))
        finally:
            await self._give_back(pool, grants[len(claimed) :])
        self._claim_at_most = min(LARGEST_CLAIM, max(FIRST_CLAIM, 2 * len(claimed)))
        self.waiting_for = ""
        for (claim, ask), grant in zip(claimed, grants, strict=False):
            self._drain.spawn(self._ask(claim, ask, pool, grant))
        return len(claimed)

    async def _ask(self, claim: Claim, ask: Ask, pool: PoolFacts, grant: Grant) -> None:
        """Make one call at its granted moment and hand its result to the recorder."""
        is_stopped = await self._drain.stopped_within(grant.delay_ms / 1000)
        keys = self._usable_keys(pool)
        if is_stopped or not keys or self._drain.rests(pool):
            await self._give_back(pool, [grant])
            await self._drain.release([claim])
            return
        key = keys[next(self._turns) % len(keys)]
        try:
            result = await self._call(claim, ask, key)
            await self._react(result, pool, key)
            self._drain.recorder.add(result)
        finally:
            self._ended(pool, 1)

    async def _call(self, claim: Claim, ask: Ask, key: UsableKey) -> Result:
        target = self.facts.target
        protocol = protocol_for(target.protocol)
        started = time.monotonic()
        try:
            answer = await self._drain.transport.send(protocol.build(ask, target, key.secret))
        except asyncio.CancelledError:
            answer = Failure(Outcome.LOST, "The worker was stopped before the answer came.")
        reply: Reply | Failure = (
            answer
            if isinstance(answer, Failure)
            else protocol.parse(target, answer.status, answer.headers, answer.body)
        )
        return Result(
            claim=claim,
            provider_id=self.facts.provider_id,
            key_id=key.id,
            key_last4=key.last4,
            reply=reply,
            latency_ms=round((time.monotonic() - started) * 1000),
            cost_usd=self._cost_usd(reply),
            simulated=target.simulated,
            was_mended=isinstance(reply, Failure) and bool(reply.refused_field),
            has_room=target.max_output_tokens is None or ask.max_output_tokens < target.max_output_tokens,
        )

    def _cost_usd(self, reply: Reply | Failure) -> Decimal | None:
        """Return what the provider charged, else what its tokens cost by the price list, else None."""
        if isinstance(reply, Failure):
            return None
        if reply.cost_usd is not None:
            return reply.cost_usd
        return cost_usd(
            self.facts.target, input_tokens=reply.input_tokens, output_tokens=reply.output_tokens,
            cached_tokens=reply.cached_tokens, at=datetime.now(UTC),
        )  # fmt: skip

    async def _react(self, result: Result, pool: PoolFacts, key: UsableKey) -> None:
        """Do at once, in this process, what the record will tell the others."""
        reply = result.reply
        if not isinstance(reply, Failure):
            return
        if reply.outcome is Outcome.KEY_INVALID:
            self._drain.key_refused(key)
        elif reply.outcome is Outcome.QUOTA_EXHAUSTED:
            self._drain.rest(pool, reply.retry_after_s or DEFAULT_REST_S)
        elif reply.outcome is Outcome.MODEL_UNKNOWN:
            self.facts = replace(self.facts, blocked="the provider does not know the model")
        elif reply.refused_field:
            target = self.facts.target
            refused = tuple(sorted({*target.refused_fields, reply.refused_field}))
            self.facts = replace(self.facts, target=replace(target, refused_fields=refused))
        elif reply.outcome is Outcome.RATE_LIMITED:
            await self._cool(pool, reply.retry_after_s or DEFAULT_COOLING_S)

    async def _cool(self, pool: PoolFacts, wait_s: float) -> None:
        try:
            await self._drain.limiter.cool(lane_scope(pool.id, self.facts.model_id), wait_s=wait_s)
        except RedisError as error:
            logger.warning(
                "lane %s: could not tell others to wait %.0f s: %s", self.facts.target.model, wait_s, error
            )

    async def _give_back(self, pool: PoolFacts, grants: Sequence[Grant]) -> None:
        if not grants:
            return
        self._ended(pool, len(grants))
        try:
            await self._drain.limiter.give_back(pool, grants)
        except RedisError as error:
            logger.warning(
                "lane %s: %d slots not given back: %s", self.facts.target.model, len(grants), error
            )

    async def _nap(self, waiting_for: str, wait_s: float) -> None:
        """Wait for a call to end, at most `wait_s`, and never longer than a look-up."""
        self.waiting_for = waiting_for
        self._call_ended.clear()
        await self._drain.first_of(self._call_ended, min(wait_s, LONGEST_NAP_S))

    def _began(self, pool: PoolFacts, n: int) -> None:
        self.n_in_flight += n
        for limit in pool.limits:
            if limit.what == "in_flight":
                self._drain.in_flight[limit.scope] += n

    def _ended(self, pool: PoolFacts, n: int) -> None:
        self._began(pool, -n)
        self._call_ended.set()
