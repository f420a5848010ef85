"""The shared limiter: lanes of all processes on all machines ask it for slots before they call a provider.

One Lua function on Redis' own clock, stateless in configuration: limits and usable keys are arguments, so a change
in the admin counts from the next call on. It holds what was granted, nothing else; an emptied Redis makes each
pool that was used lately wait one full window, and counts of days come back from the record of usage. Which keys
and limits a pool has is `providers.keyring`'s business, how a lane waits is the drain's.
"""

import json
import time
import uuid
from collections import defaultdict
from collections.abc import Awaitable, Callable, Mapping, Sequence
from dataclasses import dataclass
from datetime import UTC, datetime
from pathlib import Path
from typing import Any

from redis.asyncio import Redis

from providers.facts import PoolFacts, PoolLimit
from providers.rules.estimates import NO_TOKENS, Tokens
from providers.rules.periods import period_starts_ms

HORIZON_MS = 2_000  # slots are granted at most this far ahead, so urgent work overtakes within it
GUARD_MS = 500  # added to each window: absorbs the jitter between a grant and the arrival at the provider
LATEST_START_MS = (
    250  # a call that starts later than this after its instant needs a new slot: half of the guard
)
BEAT_TTL_MS = 20_000  # calls of a drain that does not ask any more stop counting after this
FACTS_SEEN_MS = 10_000  # by then every drain has read what the record says of keys and pools
BEAT_SEEN_MS = 6_000  # by then every drain that lives has told what it has in flight
LONGEST_COLD_WAIT_MS = 60_000  # beyond this the record of usage says what was used
CIRCUIT_FAILURES, CIRCUIT_WITHIN_MS = 5, 60_000  # in a row, over the fleet
CIRCUIT_PAUSE_MS, CIRCUIT_PAUSE_CAP_MS = 5_000, 300_000
NO_ROOM = -1

Seeder = Callable[[PoolFacts, PoolLimit], Awaitable[Sequence[tuple[int, int]]]]


@dataclass(frozen=True, slots=True)
class Grant:
    """Permission to start one call `delay_ms` from now with a key. `member` names it in the logs.

    `start_by` (`time.monotonic`): a later start would fall out of the window it was granted in; None: no matter.
    `gates` are held by it while it is a probe; `is_probe`: the circuit of its model is open.
    """

    pool_id: int
    key_id: int
    delay_ms: int
    at_ms: int
    member: str
    tokens: Tokens = NO_TOKENS
    start_by: float | None = None
    gates: tuple[str, ...] = ()
    is_probe: bool = False


@dataclass(frozen=True, slots=True)
class Answer:
    """`grants` may be fewer than asked for; `retry_in_ms` says when to come back for more.

    `retry_in_ms` is None when calls must come back first (all are in flight), 0 when all were granted.
    `is_open`: the model's circuit is open; `n_failures`: it failed so often in a row, in the whole fleet.
    """

    grants: tuple[Grant, ...]
    retry_in_ms: int | None
    is_open: bool = False
    n_failures: int = 0


def lane_scope(pool_id: int, model_id: int | None) -> str:
    """Return the limit scope of one model within a pool."""
    return f"{pool_id}:{model_id}"


def too_long_for(pool: PoolFacts, tokens: Tokens) -> PoolLimit | None:
    """Return a limit of the pool that a call of so many tokens can never fit, None when it fits all."""
    sized = (limit for limit in pool.limits if limit.what.endswith("tokens"))
    return next((limit for limit in sized if tokens.of(limit.what) > limit.amount), None)


class Limiter:
    """Slots for the lanes of one drain (`drain` names it). Raises `redis.exceptions.RedisError` when Redis is away.

    `seed` tells from the record what a long limit has used: (epoch ms, amount) pairs. `clock_ms` is for tests
    only: it stands in for the clock of Redis.
    """

    def __init__(
        self,
        client: Redis,
        *,
        drain: str,
        prefix: str,
        seed: Seeder | None = None,
        clock_ms: Callable[[], int] | None = None,
    ) -> None:
        self._client = client
        self._drain = drain
        self._prefix = f"{prefix}limit:"
        self._seed = seed
        self._clock_ms = clock_ms
        self._script = client.register_script(Path(__file__).with_name("limiter.lua").read_text())
        self._used_pools: set[int] = set()
        self._settled: defaultdict[int, list[dict[str, Any]]] = defaultdict(list)
        self._pools: dict[int, PoolFacts] = {}
        self._counted: set[str] = set()

    async def acquire(
        self,
        pools: Sequence[PoolFacts],
        *,
        n: int,
        model_id: int,
        in_flight: Mapping[str, int],
        tokens: Tokens = NO_TOKENS,
        hold_s: float = 60.0,
    ) -> Answer:
        """Ask for `n` slots of any of `pools` for calls of a model that use `tokens` each and end within `hold_s`.

        `in_flight` gives this drain's own calls at once per limit scope.
        """
        nonce = f"{self._drain[:8]}.{uuid.uuid4().hex[:8]}"
        asked_at = time.monotonic()
        asked = {"n": n, "nonce": nonce, "model": model_id, "hold_ms": round(hold_s * 1000)}
        reply = await self._ask(pools, asked, in_flight=in_flight, tokens=tokens)
        if reply["seed"] and not reply["slots"] and self._seed:
            seeds = [(pools[p - 1], pools[p - 1].limits[i - 1]) for p, i in reply["seed"]]
            found = {limit.key: await self._seed(pool, limit) for pool, limit in seeds}
            asked_at = time.monotonic()
            reply = await self._ask(pools, asked, in_flight=in_flight, tokens=tokens, seeds=found)
        grants = tuple(
            self._grant(
                pools, slot, member=f"{nonce}:{k}", tokens=tokens, asked_at=asked_at, model_id=model_id
            )
            for k, slot in enumerate(reply["slots"], start=1)
        )
        self._used_pools |= {grant.pool_id for grant in grants}
        retry_in_ms = None if reply["retry_in_ms"] == NO_ROOM else round(reply["retry_in_ms"])
        return Answer(grants, retry_in_ms, bool(reply["is_open"]), int(reply["n_failures"]))

    async def beat(self, pools: Sequence[PoolFacts], *, in_flight: Mapping[str, int]) -> None:
        """Say that this drain lives and how many calls it has in flight; asks for no slot."""
        await self._ask(pools, {}, in_flight=in_flight)

    def settle(self, pool: PoolFacts, grant: Grant, tokens: Tokens, *, is_open: bool = False) -> None:
        """Replace what a call was thought to use by what it does; told with the next question that is asked.

        A probe that has ended frees its gates soon. `is_open`: its answer has not come yet, only the
        estimate is better now.
        """
        if grant.gates or any(limit.what.endswith("tokens") for limit in pool.limits):
            self._pools[pool.id] = pool
            self._settled[pool.id].append(_call(grant, after=tokens) | {"is_open": is_open})

    async def give_back(self, pool: PoolFacts, grants: Sequence[Grant]) -> None:
        """Return slots that no call was started for."""
        if grants:
            self._pools[pool.id] = pool
            self._settled[pool.id] += [_call(grant, after=None) for grant in grants]
            await self._ask([], {})

    async def cool(self, scope: str, *, wait_s: float) -> None:
        """Grant nothing for `scope` for a while: the provider asked for it."""
        await self._ask([], {"cooling": [[scope, max(1, round(wait_s * 1000))]]})

    async def circuit_note(self, model_id: int, note: str) -> Answer:
        """Tell how a call of a model ended: `ok`, `failed`, or `probe_failed` when it was granted as a probe.

        The answer has no grants; it tells how the circuit stands now.
        """
        reply = await self._ask([], {"model": model_id, "notes": [[model_id, note]]})
        return Answer((), 0, bool(reply["is_open"]), int(reply["n_failures"]))

    async def leave(self) -> None:
        """Stop counting this drain, in whatever pools it called: it has nothing in flight any more."""
        await self._ask([], {})
        async with self._client.pipeline(transaction=False) as pipeline:
            for key in sorted(self._counted):
                pipeline.hdel(f"{self._prefix}inflight:{key}", self._drain)
                pipeline.zrem(f"{self._prefix}beats:{key}", self._drain)
            await pipeline.execute()

    async def _ask(
        self,
        pools: Sequence[PoolFacts],
        asked: Mapping[str, Any],
        *,
        in_flight: Mapping[str, int] | None = None,
        tokens: Tokens = NO_TOKENS,
        seeds: Mapping[str, Sequence[tuple[int, int]]] | None = None,
    ) -> dict[str, Any]:
        model_id = asked.get("model")
        settled, self._settled = self._settled, defaultdict(list)
        question = {
            "n": 0, "nonce": "", "hold_ms": 0, "cooling": [], "notes": [], **asked, **_CONSTANTS,
            "drain": self._drain, "tokens": [tokens.input, tokens.output],
            "pools": [self._pool(pool, model_id, in_flight or {}, seeds or {}) for pool in pools],
            "settled": [
                {"limits": [self._limit(limit, {}, {}) for limit in self._pools[pool_id].limits], "calls": calls}
                for pool_id, calls in settled.items()
            ],
        }  # fmt: skip
        if self._clock_ms:
            question["now_ms"] = self._clock_ms()
        is_told = False
        try:
            reply = json.loads(await self._script(keys=[self._prefix], args=[json.dumps(question)]))
            is_told = True
        finally:
            for pool_id, calls in settled.items() if not is_told else ():
                self._settled[pool_id] = calls + self._settled[pool_id]
        return dict(reply)

    def _pool(
        self,
        pool: PoolFacts,
        model_id: int | None,
        in_flight: Mapping[str, int],
        seeds: Mapping[str, Sequence[tuple[int, int]]],
    ) -> dict[str, Any]:
        was_used = pool.has_recent_calls or pool.id in self._used_pools
        return {
            "id": pool.id,
            "keys": [key.id for key in pool.keys if not key.gate],
            "probes": [{"key": key.id, "gate": key.gate} for key in pool.keys if key.gate],
            "cool": [str(pool.id), lane_scope(pool.id, model_id)],
            "limits": [self._limit(limit, in_flight, seeds, was_used=was_used) for limit in pool.limits],
        }

    def _limit(
        self,
        limit: PoolLimit,
        in_flight: Mapping[str, int],
        seeds: Mapping[str, Sequence[tuple[int, int]]],
        *,
        was_used: bool = False,
    ) -> dict[str, Any]:
        described: dict[str, Any] = {
            "key": limit.key,
            "kind": limit.kind,
            "what": limit.what,
            "amount": limit.amount,
            "cold_wait_ms": _cold_wait_ms(limit) if was_used else 0,
        }
        if limit.kind == "in_flight":
            self._counted.add(limit.key)
            return described | {"mine": in_flight.get(limit.scope, 0)}
        described["seeds"] = limit.is_long and self._seed is not None
        if limit.key in seeds:
            described["seed"] = [list(pair) for pair in seeds[limit.key]] or [[0, 0]]
        if limit.kind == "calendar":
            starts = period_starts_ms(limit.resets, limit.zone, now=self._now())
            return described | {"starts": starts, "ttl_ms": starts[2] - starts[0]}
        window_ms = limit.window_ms or 0
        return described | {
            "window_ms": window_ms,
            "at_completion": limit.at_completion,
            "ttl_ms": window_ms + GUARD_MS + HORIZON_MS + (LONGEST_CALL_MS if limit.at_completion else 0),
        }

    def _now(self) -> datetime:
        return datetime.fromtimestamp(self._clock_ms() / 1000 if self._clock_ms else time.time(), UTC)

    def _grant(
        self,
        pools: Sequence[PoolFacts],
        slot: Sequence[Any],
        *,
        member: str,
        tokens: Tokens,
        asked_at: float,
        model_id: int,
    ) -> Grant:
        index, key_id, delay_ms, at_ms, gate, is_probe = slot
        pool = pools[int(index) - 1]
        is_timed = any(limit.kind != "in_flight" for limit in pool.limits)
        gates = ([gate] if gate else []) + ([f"circuit:{model_id}"] if is_probe else [])
        return Grant(
            pool_id=pool.id,
            key_id=int(key_id),
            delay_ms=round(delay_ms),
            at_ms=round(at_ms),
            member=member,
            tokens=tokens,
            start_by=asked_at + (delay_ms + LATEST_START_MS) / 1000 if is_timed else None,
            gates=tuple(gates),
            is_probe=bool(is_probe),
        )


LONGEST_CALL_MS = 660_000
_CONSTANTS = {
    "horizon_ms": HORIZON_MS,
    "guard_ms": GUARD_MS,
    "beat_ttl_ms": BEAT_TTL_MS,
    "facts_seen_ms": FACTS_SEEN_MS,
    "circuit_failures": CIRCUIT_FAILURES,
    "circuit_within_ms": CIRCUIT_WITHIN_MS,
    "circuit_pause_ms": CIRCUIT_PAUSE_MS,
    "circuit_pause_cap_ms": CIRCUIT_PAUSE_CAP_MS,
}


def _cold_wait_ms(limit: PoolLimit) -> int:
    """Return how long a limit of a pool in use rests when Redis does not know it."""
    if limit.is_learned:
        return 0  # its window was not counted before it was learned, whatever happened to Redis
    if limit.kind == "in_flight":
        return BEAT_SEEN_MS
    # a slot may have been granted for the end of the horizon just before Redis forgot it
    return min(limit.window_ms or LONGEST_COLD_WAIT_MS, LONGEST_COLD_WAIT_MS) + GUARD_MS + HORIZON_MS


def _call(grant: Grant, *, after: Tokens | None) -> dict[str, Any]:
    call: dict[str, Any] = {
        "member": grant.member,
        "at_ms": grant.at_ms,
        "before": [grant.tokens.input, grant.tokens.output],
        "gates": list(grant.gates),
    }
    return call if after is None else call | {"after": [after.input, after.output]}
