"""The shared limiter: lanes of all processes on all machines ask it for slots before they call a provider.

One Lua function on Redis' own clock, stateless in configuration: limits are arguments, so a change in the admin
counts from the next call on. It holds what was granted, nothing else; an emptied Redis makes each pool that was
used lately wait one full window. Which keys a pool has is `providers.keyring`'s business, not this module's.
"""

import json
import uuid
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path

from redis.asyncio import Redis

from providers.keyring import PoolFacts

HORIZON_MS = 2_000  # slots are granted at most this far ahead, so urgent work overtakes within it
GUARD_MS = 500  # added to each window: absorbs the jitter between a grant and the arrival at the provider
BEAT_TTL_MS = 20_000  # calls of a drain that does not ask any more stop counting after this
NO_ROOM = -1


@dataclass(frozen=True, slots=True)
class Grant:
    """Permission to start one call `delay_ms` from now. `member` names it in the log, to give it back."""

    pool_id: int
    delay_ms: int
    member: str


@dataclass(frozen=True, slots=True)
class Answer:
    """`grants` may be fewer than asked for; `retry_in_ms` says when to come back for more.

    `retry_in_ms` is None when calls must come back first (all are in flight), 0 when all were granted.
    """

    grants: tuple[Grant, ...]
    retry_in_ms: int | None


def lane_scope(pool_id: int, model_id: int | None) -> str:
    """Return the limit scope of one model within a pool."""
    return f"{pool_id}:{model_id}"


class Limiter:
    """Slots for the lanes of one drain (`drain` names it). Raises `redis.exceptions.RedisError` when Redis is away."""

    def __init__(self, client: Redis, *, drain: str, prefix: str) -> None:
        self._client = client
        self._drain = drain
        self._prefix = f"{prefix}limit:"
        self._acquire = client.register_script(Path(__file__).with_name("limiter.lua").read_text())
        self._used_pools: set[int] = set()

    async def acquire(
        self, pool: PoolFacts, *, n: int, model_id: int, in_flight: Mapping[str, int]
    ) -> Answer:
        """Ask for `n` slots of `pool` for a model. `in_flight` gives this drain's own calls at once per limit scope."""
        nonce = f"{self._drain[:8]}.{uuid.uuid4().hex[:8]}"
        reply = await self._acquire(
            keys=[self._prefix], args=[json.dumps(self._question(pool, n, nonce, model_id, in_flight))]
        )
        retry_in_ms, *delays_ms = (int(number) for number in reply)
        if delays_ms:
            self._used_pools.add(pool.id)
        grants = tuple(
            Grant(pool.id, delay_ms, f"{nonce}:{k}") for k, delay_ms in enumerate(delays_ms, start=1)
        )
        return Answer(grants, None if retry_in_ms == NO_ROOM else retry_in_ms)

    async def beat(self, pool: PoolFacts, *, in_flight: Mapping[str, int]) -> None:
        """Say that this drain lives and how many calls it has in flight; asks for no slot."""
        await self._acquire(
            keys=[self._prefix], args=[json.dumps(self._question(pool, 0, "", None, in_flight))]
        )

    async def give_back(self, pool: PoolFacts, grants: Sequence[Grant]) -> None:
        """Return slots that no call was started for."""
        members = [grant.member for grant in grants]
        logs = {f"{self._prefix}log:{limit.scope}" for limit in pool.limits if limit.what == "requests"}
        if not members or not logs:
            return
        async with self._client.pipeline(transaction=False) as pipeline:
            for log in sorted(logs):
                pipeline.zrem(log, *members)
            await pipeline.execute()

    async def cool(self, scope: str, *, wait_s: float) -> None:
        """Grant nothing for `scope` for a while: the provider asked for it."""
        await self._client.set(f"{self._prefix}cool:{scope}", "1", px=max(1, int(wait_s * 1000)))

    async def leave(self, pool: PoolFacts) -> None:
        """Stop counting this drain: it has nothing in flight any more."""
        async with self._client.pipeline(transaction=False) as pipeline:
            for limit in pool.limits:
                if limit.what == "in_flight":
                    pipeline.hdel(f"{self._prefix}inflight:{limit.scope}", self._drain)
                    pipeline.zrem(f"{self._prefix}beats:{limit.scope}", self._drain)
            await pipeline.execute()

    def _question(
        self, pool: PoolFacts, n: int, nonce: str, model_id: int | None, in_flight: Mapping[str, int]
    ) -> dict[str, object]:
        was_used = pool.has_recent_calls or pool.id in self._used_pools
        requests = [
            {
                "scope": limit.scope,
                "amount": limit.amount,
                "window_ms": limit.window_ms,
                "cold_wait_ms": (limit.window_ms or 0) + GUARD_MS if was_used else 0,
            }
            for limit in pool.limits
            if limit.what == "requests"
        ]
        at_once = [
            {"scope": limit.scope, "amount": limit.amount, "mine": in_flight.get(limit.scope, 0)}
            for limit in pool.limits
            if limit.what == "in_flight"
        ]
        return {
            "n": n,
            "horizon_ms": HORIZON_MS,
            "guard_ms": GUARD_MS,
            "beat_ttl_ms": BEAT_TTL_MS,
            "drain": self._drain,
            "nonce": nonce,
            "requests": requests,
            "in_flight": at_once,
            "cool": [str(pool.id), lane_scope(pool.id, model_id)],
        }
