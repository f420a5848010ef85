"""Limits over tokens and days, keys, probes and circuits: on a real Redis with a clock of the test's own."""

import asyncio
from collections.abc import Awaitable, Callable, Sequence
from datetime import UTC, datetime, timedelta
from typing import TypeVar

import pytest
from django.conf import settings
from redis.asyncio import Redis

from providers.facts import PoolFacts, PoolLimit, UsableKey
from providers.limiter import GUARD_MS, Answer, Limiter, too_long_for
from providers.rules.estimates import NO_TOKENS, History, Tokens
from providers.rules.periods import period_starts_ms

T = TypeVar("T")
MINUTE_MS = 60_000
NOON = datetime(2026, 11, 24, 12, tzinfo=UTC)


class Clock:
    """Stands in for the clock of Redis."""

    def __init__(self, at: datetime = NOON) -> None:
        self.ms = round(at.timestamp() * 1000)

    def __call__(self) -> int:
        return self.ms

    def pass_ms(self, ms: float) -> None:
        self.ms += round(ms)


def key(number: int, *, pool_id: int = 1, gate: str = "") -> UsableKey:
    return UsableKey(number, pool_id, "", None, gate)


def pool_of(*limits: PoolLimit, keys: Sequence[UsableKey] = (key(1),), pool_id: int = 1) -> PoolFacts:
    return PoolFacts(pool_id, None, limits, tuple(keys), has_recent_calls=False)


def per_minute(what: str, amount: int, **values: object) -> PoolLimit:
    return PoolLimit(what, amount, MINUTE_MS, "1", **values)  # type: ignore[arg-type]


def on_redis(
    use: Callable[[Limiter, Clock], Awaitable[T]], *, seeds: Sequence[tuple[int, int]] | None = None
) -> T:
    async def seed(pool: PoolFacts, limit: PoolLimit) -> Sequence[tuple[int, int]]:
        return seeds or ()

    async def run() -> T:
        async with Redis.from_url(settings.REDIS_URL) as client:
            clock = Clock()
            prefix = settings.REDIS_KEY_PREFIX
            limiter = Limiter(
                client, drain="drain-1", prefix=prefix, clock_ms=clock, seed=None if seeds is None else seed
            )
            return await use(limiter, clock)

    return asyncio.run(run())


async def ask(
    limiter: Limiter, *pools: PoolFacts, n: int = 1, tokens: Tokens = NO_TOKENS, model_id: int = 7
) -> Answer:
    return await limiter.acquire(pools, n=n, model_id=model_id, in_flight={}, tokens=tokens)


@pytest.mark.parametrize(
    ("what", "n_granted"), [("tokens", 5), ("input_tokens", 20), ("output_tokens", 6), ("requests", 30)]
)
def test_tokens_are_counted_by_what_the_limit_counts(what: str, n_granted: int) -> None:
    limit = per_minute(what, 30 if what == "requests" else 1000)

    async def use(limiter: Limiter, clock: Clock) -> int:
        return len((await ask(limiter, pool_of(limit), n=40, tokens=Tokens(50, 150))).grants)

    assert on_redis(use) == n_granted


def test_settled_tokens_come_back_at_once() -> None:
    async def use(limiter: Limiter, clock: Clock) -> list[int]:
        pool = pool_of(per_minute("tokens", 1000))
        first = await ask(limiter, pool, n=9, tokens=Tokens(100, 400))
        for grant in first.grants:
            limiter.settle(pool, grant, Tokens(100, 100))
        second = await ask(limiter, pool, n=9, tokens=Tokens(100, 100))
        return [len(first.grants), len(second.grants)]

    assert on_redis(use) == [2, 3]


def test_call_that_used_more_than_thought_makes_the_next_wait() -> None:
    async def use(limiter: Limiter, clock: Clock) -> list[int | None]:
        pool = pool_of(per_minute("tokens", 1000))
        first = await ask(limiter, pool, tokens=Tokens(100, 100))
        limiter.settle(pool, first.grants[0], Tokens(100, 900))
        clock.pass_ms(10_000)
        waiting = await ask(limiter, pool, tokens=Tokens(100, 100))
        clock.pass_ms(waiting.retry_in_ms or 0)
        return [waiting.retry_in_ms, len((await ask(limiter, pool, tokens=Tokens(100, 100))).grants)]

    assert on_redis(use) == [50_000 + GUARD_MS, 1]


def test_tokens_counted_at_completion_stand_there_and_not_at_the_start() -> None:
    async def use(limiter: Limiter, clock: Clock) -> list[int | None]:
        pool = pool_of(per_minute("tokens", 1000, at_completion=True))
        first = await ask(limiter, pool, tokens=Tokens(500, 500))
        clock.pass_ms(30_000)
        limiter.settle(pool, first.grants[0], Tokens(500, 500))
        await limiter.beat([], in_flight={})
        clock.pass_ms(31_000)
        return [len(first.grants), (await ask(limiter, pool, tokens=Tokens(500, 500))).retry_in_ms]

    assert on_redis(use) == [1, 29_000 + GUARD_MS]


def test_call_above_a_whole_limit_is_too_long() -> None:
    pool = pool_of(per_minute("tokens", 1000), per_minute("requests", 1))

    assert too_long_for(pool, Tokens(900, 100)) is None
    assert too_long_for(pool, Tokens(900, 101)) == per_minute("tokens", 1000)


def test_day_begins_anew_at_midnight_of_its_zone() -> None:
    async def use(limiter: Limiter, clock: Clock) -> list[object]:
        pool = pool_of(PoolLimit("requests", 3, None, "1", resets="day", zone="America/Los_Angeles"))
        first = await ask(limiter, pool, n=5)
        clock.pass_ms(first.retry_in_ms or 0)
        at = datetime.fromtimestamp(clock.ms / 1000, UTC)
        return [len(first.grants), at, len((await ask(limiter, pool, n=5)).grants)]

    midnight = datetime(2026, 11, 25, 8, tzinfo=UTC)
    assert on_redis(use) == [3, midnight + timedelta(milliseconds=GUARD_MS), 3]


def test_slot_of_a_day_comes_back() -> None:
    async def use(limiter: Limiter, clock: Clock) -> int:
        pool = pool_of(PoolLimit("requests", 3, None, "1", resets="day"))
        await limiter.give_back(pool, (await ask(limiter, pool, n=3)).grants[1:])
        return len((await ask(limiter, pool, n=3)).grants)

    assert on_redis(use) == 2


@pytest.mark.parametrize("window_ms", [None, 86_400_000])
def test_emptied_redis_learns_the_day_from_the_record(window_ms: int | None) -> None:
    async def use(limiter: Limiter, clock: Clock) -> int:
        limit = PoolLimit("requests", 10, window_ms, "1", resets="rolling" if window_ms else "day")
        return len((await ask(limiter, pool_of(limit), n=20)).grants)

    start_ms = round(NOON.timestamp() * 1000) - 3_600_000
    assert on_redis(use, seeds=[(start_ms, 6)]) == 4


def test_periods_follow_the_clocks_of_their_zone() -> None:
    starts = period_starts_ms("day", "Europe/Berlin", now=datetime(2026, 10, 24, 23, 10, tzinfo=UTC))
    months = period_starts_ms("month", "UTC", now=NOON)

    assert [datetime.fromtimestamp(ms / 1000, UTC).isoformat()[:16] for ms in starts] == [
        "2026-10-24T22:00",
        "2026-10-25T23:00",  # a day of 25 hours
        "2026-10-26T23:00",
    ]
    assert [datetime.fromtimestamp(ms / 1000, UTC).month for ms in months] == [11, 12, 1]


def test_keys_of_a_pool_take_turns() -> None:
    async def use(limiter: Limiter, clock: Clock) -> list[int]:
        pool = pool_of(keys=[key(1), key(2), key(3)])
        answers = [await ask(limiter, pool, n=n) for n in (2, 2, 3)]
        return [grant.key_id for answer in answers for grant in answer.grants]

    assert on_redis(use) == [1, 2, 3, 1, 2, 3, 1]


def test_pool_with_the_earliest_free_slot_is_taken_first() -> None:
    async def use(limiter: Limiter, clock: Clock) -> list[int]:
        one = pool_of(per_minute("requests", 2), keys=[key(1)])
        other = PoolFacts(2, None, (PoolLimit("requests", 4, MINUTE_MS, "2"),), (key(2, pool_id=2),), False)
        return [grant.pool_id for grant in (await ask(limiter, one, other, n=9)).grants]

    assert on_redis(use) == [1, 2, 1, 2, 2, 2]


def test_key_behind_a_gate_gets_one_call_until_that_has_ended() -> None:
    async def use(limiter: Limiter, clock: Clock) -> list[list[int]]:
        pool = pool_of(keys=[key(1), key(2, gate="key:2")])
        first, second = await ask(limiter, pool, n=3), await ask(limiter, pool, n=3)
        clock.pass_ms(60_001)
        third = await ask(limiter, pool, n=1)
        return [[grant.key_id for grant in answer.grants] for answer in (first, second, third)]

    assert on_redis(use) == [[2, 1, 1], [1, 1, 1], [2]]


def test_probe_that_was_not_made_frees_its_gate() -> None:
    async def use(limiter: Limiter, clock: Clock) -> list[int]:
        pool = pool_of(keys=[key(1, gate="pool:1"), key(2, gate="pool:1")])
        first, second = await ask(limiter, pool, n=3), await ask(limiter, pool, n=3)
        await limiter.give_back(pool, first.grants)
        third = await ask(limiter, pool, n=3)
        return [len(answer.grants) for answer in (first, second, third)]

    assert on_redis(use) == [1, 0, 1]


def test_circuit_opens_after_five_failures_and_lets_single_probes_through() -> None:
    async def use(limiter: Limiter, clock: Clock) -> list[object]:
        seen: list[object] = []
        for _ in range(4):
            await limiter.circuit_note(7, "failed")
        seen.append(len((await ask(limiter, pool_of(), n=9)).grants))
        await limiter.circuit_note(7, "failed")
        for pause_ms in (5_000, 10_000, 20_000):
            closed = await ask(limiter, pool_of(), n=9)
            seen.append((len(closed.grants), closed.retry_in_ms, closed.is_open))
            clock.pass_ms(pause_ms)
            probe = await ask(limiter, pool_of(), n=9)
            seen.append([grant.is_probe for grant in probe.grants])
            assert not (await ask(limiter, pool_of(), n=9)).grants
            await limiter.circuit_note(7, "probe_failed")
        await limiter.circuit_note(7, "ok")
        seen.append(len((await ask(limiter, pool_of(), n=9)).grants))
        return seen

    assert on_redis(use) == [
        9, (0, 5_000, True), [True], (0, 10_000, True), [True], (0, 20_000, True), [True], 9,
    ]  # fmt: skip


def test_circuit_of_one_model_is_not_that_of_another() -> None:
    async def use(limiter: Limiter, clock: Clock) -> int:
        for _ in range(5):
            await limiter.circuit_note(7, "failed")
        return len((await ask(limiter, pool_of(), n=9, model_id=8)).grants)

    assert on_redis(use) == 9


def test_one_success_between_keeps_the_circuit_closed() -> None:
    async def use(limiter: Limiter, clock: Clock) -> bool:
        for note in ("failed", "failed", "failed", "failed", "ok", "failed", "failed", "failed", "failed"):
            answer = await limiter.circuit_note(7, note)
        return answer.is_open

    assert on_redis(use) is False


def test_history_counts_more_than_the_cap() -> None:
    history = History()
    assert history.estimate(n_bytes=100, output_cap=2000) == Tokens(42, 2000)

    for _ in range(5):
        history.add(n_bytes=100, input_tokens=20, output_tokens=100)

    assert history.estimate(n_bytes=200, output_cap=2000) == Tokens(42, 105)
