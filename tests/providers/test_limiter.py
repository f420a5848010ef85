"""The limiter on a real Redis: exact windows, calls at once, what survives a crash, and an emptied server."""

import asyncio
from collections.abc import Awaitable, Callable
from typing import TypeVar

import pytest
from django.conf import settings
from hypothesis import HealthCheck, given
from hypothesis import settings as hypothesis_settings
from hypothesis import strategies as st
from redis.asyncio import Redis

from providers.facts import PoolFacts, PoolLimit, UsableKey
from providers.limiter import GUARD_MS, HORIZON_MS, Limiter

T = TypeVar("T")
MINUTE_MS = 60_000


def pool_of(
    *limits: PoolLimit, has_recent_calls: bool = False, pool_id: int = 1, keys: tuple[UsableKey, ...] = ()
) -> PoolFacts:
    keys = keys or (UsableKey(100 + pool_id, pool_id, "", None),)
    return PoolFacts(
        id=pool_id, resting_until=None, limits=limits, keys=keys, has_recent_calls=has_recent_calls
    )


def requests(amount: int, window_ms: int = MINUTE_MS, scope: str = "1") -> PoolLimit:
    return PoolLimit("requests", amount, window_ms, scope)


def at_once(amount: int, scope: str = "1") -> PoolLimit:
    return PoolLimit("in_flight", amount, None, scope)


def with_limiters(n: int, use: Callable[..., Awaitable[T]]) -> T:
    """Run `use(limiter, …)` with `n` limiters, as of `n` drains, on an emptied database."""

    async def run() -> T:
        async with Redis.from_url(settings.REDIS_URL) as client:
            await client.flushdb()
            prefix = settings.REDIS_KEY_PREFIX
            return await use(*(Limiter(client, drain=f"drain-{k}", prefix=prefix) for k in range(n)))

    return asyncio.run(run())


def test_window_is_granted_at_once_and_then_says_when_to_come_back() -> None:
    async def use(limiter: Limiter) -> tuple[int, int | None]:
        answer = await limiter.acquire([pool_of(requests(30))], n=60, model_id=1, in_flight={})
        return len(answer.grants), answer.retry_in_ms

    n, retry_in_ms = with_limiters(1, use)

    assert n == 30
    assert MINUTE_MS <= (retry_in_ms or 0) <= MINUTE_MS + GUARD_MS


def test_four_drains_share_one_window() -> None:
    async def use(*limiters: Limiter) -> list[int]:
        pool = pool_of(requests(30))
        answers = await asyncio.gather(
            *(each.acquire([pool], n=60, model_id=1, in_flight={}) for each in limiters)
        )
        return [len(answer.grants) for answer in answers]

    assert sum(with_limiters(4, use)) == 30


def test_slots_come_back_when_they_are_given_back() -> None:
    async def use(limiter: Limiter) -> int:
        pool = pool_of(requests(5))
        first = await limiter.acquire([pool], n=5, model_id=1, in_flight={})
        await limiter.give_back(pool, first.grants[2:])
        return len((await limiter.acquire([pool], n=5, model_id=1, in_flight={})).grants)

    assert with_limiters(1, use) == 3


def test_calls_at_once_are_counted_over_all_drains() -> None:
    async def use(first: Limiter, second: Limiter) -> list[object]:
        pool = pool_of(at_once(4))
        granted = await first.acquire([pool], n=3, model_id=1, in_flight={"1": 0})
        rest = await second.acquire([pool], n=3, model_id=1, in_flight={"1": 0})
        full = await second.acquire([pool], n=3, model_id=1, in_flight={"1": 1})
        return [len(granted.grants), len(rest.grants), len(full.grants), full.retry_in_ms]

    assert with_limiters(2, use) == [3, 1, 0, None]


def test_calls_of_a_drain_that_left_do_not_count() -> None:
    async def use(first: Limiter, second: Limiter) -> int:
        pool = pool_of(at_once(2))
        await first.acquire([pool], n=2, model_id=1, in_flight={"1": 0})
        await first.leave()
        return len((await second.acquire([pool], n=2, model_id=1, in_flight={"1": 0})).grants)

    assert with_limiters(2, use) == 2


@pytest.mark.parametrize(("has_recent_calls", "n_granted"), [(True, 0), (False, 3)])
def test_unknown_pool_waits_a_window_when_it_was_used_lately(has_recent_calls: bool, n_granted: int) -> None:
    async def use(limiter: Limiter) -> int:
        pool = pool_of(requests(3), has_recent_calls=has_recent_calls)
        return len((await limiter.acquire([pool], n=3, model_id=1, in_flight={})).grants)

    assert with_limiters(1, use) == n_granted


def test_emptied_redis_makes_a_pool_in_use_wait_a_window() -> None:
    async def use(limiter: Limiter) -> tuple[int, int | None]:
        pool = pool_of(requests(3))
        await limiter.acquire([pool], n=3, model_id=1, in_flight={})
        await limiter._client.flushdb()
        answer = await limiter.acquire([pool], n=3, model_id=1, in_flight={})
        return len(answer.grants), answer.retry_in_ms

    n, retry_in_ms = with_limiters(1, use)

    assert n == 0
    assert (retry_in_ms or 0) > MINUTE_MS - 100


def test_cooling_stops_one_model_and_not_its_neighbour() -> None:
    async def use(limiter: Limiter) -> list[int]:
        await limiter.cool("1:7", wait_s=5)
        pool = pool_of(requests(9))
        answers = [await limiter.acquire([pool], n=2, model_id=model_id, in_flight={}) for model_id in (7, 8)]
        return [len(answer.grants) for answer in answers]

    assert with_limiters(1, use) == [0, 2]


@given(
    amount=st.integers(1, 8),
    window_ms=st.integers(50, 1_500),
    asks=st.lists(st.tuples(st.integers(1, 6), st.booleans()), min_size=1, max_size=12),
)
@hypothesis_settings(
    max_examples=40, deadline=None, suppress_health_check=[HealthCheck.function_scoped_fixture]
)
def test_no_window_ever_holds_more_than_its_amount(
    amount: int, window_ms: int, asks: list[tuple[int, bool]]
) -> None:
    async def use(limiter: Limiter) -> list[int]:
        pool = pool_of(requests(amount, window_ms))
        for n, gives_back in asks:
            answer = await limiter.acquire([pool], n=n, model_id=1, in_flight={})
            assert all(0 <= grant.delay_ms <= HORIZON_MS for grant in answer.grants)
            if gives_back:
                await limiter.give_back(pool, answer.grants[:1])
        log = await limiter._client.zrange(
            f"{settings.REDIS_KEY_PREFIX}limit:log:1:requests:{window_ms}", 0, -1, withscores=True
        )
        return [int(entry[1]) for entry in log]

    instants = with_limiters(1, use)

    gaps = [later - earlier for earlier, later in zip(instants, instants[amount:], strict=False)]
    assert all(gap >= window_ms for gap in gaps)
