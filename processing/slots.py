"""A lane's dealings with the limiter: it asks for slots, trades one that does not fit, and returns what is unused.

Slots are asked for before questions are claimed, so their size is what the lane's questions typically use; once a
question is known its slot is made to fit. When a lane asks at all, and what it does with slots, stands in `lane`.
"""

import asyncio
import itertools
import logging
import time
from collections import defaultdict
from collections.abc import Sequence
from dataclasses import dataclass, replace
from typing import TYPE_CHECKING

from redis.exceptions import RedisError

from processing.claims import Claim
from providers.facts import PoolFacts, UsableKey
from providers.limiter import Answer, Grant, too_long_for
from providers.protocols.base import Ask, Failure, Outcome, Reply
from providers.rules.estimates import NO_TOKENS, History, Tokens
from providers.rules.output_cap import output_cap

if TYPE_CHECKING:
    from processing.drain import DrainLoop
    from processing.lane import Lane

logger = logging.getLogger(__name__)

MOST_TRADES = 5  # a machine so slow that its slots are always late shall still ask
LONGEST_TRADE_S = 90.0  # a question that would wait longer for its slot goes back instead
FIRST_GUESS = Tokens(300, 1_000)  # of a question that is not known yet; trued up as soon as it is
# The provider turned these away before it did any work: they used none of its tokens.
_TURNED_AWAY = frozenset({
    Outcome.RATE_LIMITED, Outcome.KEY_INVALID, Outcome.PERMISSION, Outcome.QUOTA_EXHAUSTED, Outcome.MODEL_UNKNOWN,
    Outcome.BAD_REQUEST, Outcome.TOO_LONG,
})  # fmt: skip


@dataclass(frozen=True, slots=True)
class Slot:
    """A grant with the pool and key that it is for. `due` is on the monotonic clock."""

    grant: Grant
    pool: PoolFacts
    key: UsableKey
    due: float

    @property
    def is_late(self) -> bool:
        """Whether a call that starts now would fall out of the window that the slot was granted in."""
        return self.grant.start_by is not None and time.monotonic() > self.grant.start_by


class LaneSlots:
    """The slots of one lane. All counts belong to the event loop's thread."""

    def __init__(self, lane: "Lane", drain: "DrainLoop") -> None:
        self.n_failures = 0
        self.is_open = False
        self.n_trading = 0
        self._lane = lane
        self._drain = drain
        self._typical = FIRST_GUESS
        self._histories: defaultdict[int, History] = defaultdict(History)
        self._trade_lock = asyncio.Lock()

    async def take(
        self, pools: Sequence[PoolFacts], n: int, *, tokens: Tokens | None = None
    ) -> tuple[list[Slot], Answer]:
        """Return the slots granted now; they count as in flight until they went back. Raises `RedisError`."""
        facts = self._lane.facts
        async with self._drain.pool_locks(pools):
            answer = await self._drain.limiter.acquire(
                pools, n=n, model_id=facts.model_id, in_flight=self._drain.in_flight,
                tokens=tokens or (self._typical if self._are_sized(pools) else NO_TOKENS),
                hold_s=facts.target.timeout_s,
            )  # fmt: skip
            now = time.monotonic()
            by_id = {pool.id: pool for pool in pools}
            keys = {key.id: key for pool in pools for key in pool.keys}
            slots = [
                Slot(grant, by_id[grant.pool_id], keys[grant.key_id], now + grant.delay_ms / 1000)
                for grant in answer.grants
            ]
            for slot in slots:
                self._count(slot, 1)
        self.n_failures, self.is_open = answer.n_failures, answer.is_open
        return slots, answer

    def estimate(self, claim: Claim, ask: Ask) -> Tokens:
        """Return what a question will use; nothing where no limit counts tokens."""
        if not self._are_sized(self._lane.facts.pools):
            return NO_TOKENS
        n_bytes = len(ask.text.encode()) + len(ask.system_text.encode())
        cap = output_cap(self._lane.facts.target, ask.max_output_tokens)
        return self._histories[claim.prompt_version_id].estimate(n_bytes=n_bytes, output_cap=cap)

    def expect(self, estimates: Sequence[Tokens]) -> None:
        """Ask for slots of this size from now on."""
        largest = NO_TOKENS
        for one in estimates:
            largest = largest.at_least(one)
        self._typical = largest if largest.total else self._typical

    def refusal(self, tokens: Tokens) -> str:
        """Return why a call of so many tokens can never be made, "" when it can."""
        found = [too_long_for(pool, tokens) for pool in self._lane.facts.pools]
        if not found or not all(found):
            return ""
        limit = next(one for one in found if one)
        what = limit.what.replace("_", " ")
        return f"It would use about {tokens.of(limit.what)} {what}; the limit is {limit.amount}."

    async def fit(self, slot: Slot, tokens: Tokens) -> Slot | None:
        """Wait for the slot's moment and return one that a call of so many tokens may use now.

        One that is too small, came too late, or is for a key that was refused meanwhile is traded in. None when
        the drain stops or nothing can be asked any more; the slot has gone back then.
        """
        for n_trades in itertools.count():
            if not _is_smaller(slot.grant.tokens, tokens) and await self._drain.stopped_within(
                slot.due - time.monotonic()
            ):
                break
            if not self._lane.is_usable(slot) or self._drain.is_stopping:
                break
            is_good = not self._drain.rests(slot.pool) and not self._lane.is_refused(slot.key)
            is_late = slot.is_late and n_trades < MOST_TRADES
            if is_good and not is_late and not _is_smaller(slot.grant.tokens, tokens):
                return self._shrunk(slot, tokens)
            traded = await self._trade(slot, tokens)
            if traded is None:
                return None
            slot = traded
        await self.give_back([slot])
        return None

    async def give_back(self, slots: Sequence[Slot]) -> None:
        """Return slots that no call was started for."""
        by_pool: defaultdict[int, list[Slot]] = defaultdict(list)
        for slot in slots:
            self._count(slot, -1)
            by_pool[slot.pool.id].append(slot)
        for group in by_pool.values():
            try:
                await self._drain.limiter.give_back(group[0].pool, [slot.grant for slot in group])
            except RedisError as error:
                logger.warning("%d slots not given back yet: %s", len(group), error)

    def ended(self, slot: Slot, claim: Claim, ask: Ask, reply: Reply | Failure | None) -> None:
        """Stop counting a call as in flight and settle what it really used."""
        self._count(slot, -1)
        if not (slot.grant.gates or self._are_sized([slot.pool])):
            return
        guess = slot.grant.tokens
        if not isinstance(reply, Reply):
            used = NO_TOKENS if reply and reply.outcome in _TURNED_AWAY else guess
        else:
            n_bytes = len(ask.text.encode()) + len(ask.system_text.encode())
            self._histories[claim.prompt_version_id].add(
                n_bytes=n_bytes, input_tokens=reply.input_tokens, output_tokens=reply.output_tokens
            )
            used = Tokens(
                guess.input if reply.input_tokens is None else reply.input_tokens,
                guess.output if reply.output_tokens is None else reply.output_tokens,
            )
        self._drain.limiter.settle(slot.pool, slot.grant, used)

    async def circuit_note(self, slot: Slot, *, has_failed: bool) -> None:
        """Tell the fleet how the call ended, where it matters to the model's circuit."""
        if not has_failed and not (slot.grant.is_probe or self.n_failures or self.is_open):
            return
        note = "ok" if not has_failed else "probe_failed" if slot.grant.is_probe else "failed"
        try:
            answer = await self._drain.limiter.circuit_note(self._lane.facts.model_id, note)
        except RedisError as error:
            logger.warning("the fleet was not told how a call ended: %s", error)
            return
        if answer.is_open != self.is_open:
            state = "open: nothing but probes is sent" if answer.is_open else "closed"
            logger.warning("circuit of %s: %s", self._lane.facts.target.model, state)
        self.n_failures, self.is_open = answer.n_failures, answer.is_open

    async def _trade(self, slot: Slot, tokens: Tokens) -> Slot | None:
        """Give a slot back for one that fits; the lane takes no new ones meanwhile, so that nobody starves."""
        self.n_trading += 1
        try:
            await self.give_back([slot])
            async with self._trade_lock:
                while not self._drain.is_stopping:
                    pools = [pool for pool in self._lane.usable_pools() if not too_long_for(pool, tokens)]
                    if not pools:
                        return None
                    try:
                        slots, answer = await self.take(pools, 1, tokens=tokens)
                        wait_s = 1.0 if answer.retry_in_ms is None else answer.retry_in_ms / 1000
                    except RedisError as error:
                        logger.warning("a slot is not known to be free, Redis does not answer: %s", error)
                        slots, wait_s = [], 1.0
                    if slots:
                        return slots[0]
                    if wait_s > LONGEST_TRADE_S or self.is_open:
                        return None
                    await self._drain.stopped_within(min(max(wait_s, 0.01), 1.0))
                return None
        finally:
            self.n_trading -= 1

    def _shrunk(self, slot: Slot, tokens: Tokens) -> Slot:
        if slot.grant.tokens != tokens:
            self._drain.limiter.settle(slot.pool, slot.grant, tokens, is_open=True)
            return replace(slot, grant=replace(slot.grant, tokens=tokens))
        return slot

    def _are_sized(self, pools: Sequence[PoolFacts]) -> bool:
        return any(limit.what.endswith("tokens") for pool in pools for limit in pool.limits)

    def _count(self, slot: Slot, n: int) -> None:
        self._lane.n_in_flight += n
        for limit in slot.pool.limits:
            if limit.what == "in_flight":
                self._drain.in_flight[limit.scope] += n


def _is_smaller(slot: Tokens, needed: Tokens) -> bool:
    return slot.input < needed.input or slot.output < needed.output
