"""The limiter against a model in Python and against the strictest provider: jitter, lost clients, an emptied Redis.

Time is the test's own, so hours pass in milliseconds; the arithmetic under test is that of the real function in a
real Redis.
"""

import asyncio
from dataclasses import dataclass, field
from typing import Any

from django.conf import settings
from hypothesis import HealthCheck, example, given
from hypothesis import settings as hypothesis_settings
from hypothesis import strategies as st
from redis.asyncio import Redis

from providers.facts import PoolFacts, PoolLimit, UsableKey
from providers.limiter import GUARD_MS, HORIZON_MS, Grant, Limiter
from providers.rules.estimates import Tokens

WINDOW_MS = 10_000
KEY = UsableKey(1, 1, "", None)


@dataclass
class Model:
    """What the limiter must answer, by looking at every entry each time."""

    n_requests: int
    n_tokens: int
    log: dict[str, tuple[float, int]] = field(default_factory=dict)  # member → (instant, tokens)
    known_since: float | None = None
    was_used: bool = False

    def fits(self, at: float, tokens: int) -> bool:
        later = [used for instant, used in self.log.values() if instant > at - WINDOW_MS - GUARD_MS]
        return len(later) + 1 <= self.n_requests and sum(later) + tokens <= self.n_tokens

    def ask(self, now: float, n: int, tokens: int) -> list[float]:
        """Return the instants that are granted, and keep them under made-up names."""
        if self.known_since is None:
            self.known_since = now + (WINDOW_MS + GUARD_MS + HORIZON_MS if self.was_used else 0)
        earliest = max(now, self.known_since)
        tokens = min(tokens, self.n_tokens)
        granted: list[float] = []
        for k in range(n):
            moments = [earliest, *(instant + WINDOW_MS + GUARD_MS for instant, _ in self.log.values())]
            at = min(moment for moment in moments if moment >= earliest and self.fits(moment, tokens))
            if at > now + HORIZON_MS:
                break
            self.log[f"new {k}"] = (at, tokens)
            granted.append(at)
        return granted

    def rename(self, grants: tuple[Grant, ...]) -> None:
        """Give the entries of the last question their real names."""
        for k, grant in enumerate(grants):
            self.log[grant.member] = self.log.pop(f"new {k}")
        self.was_used = self.was_used or bool(grants)


STEPS = st.one_of(
    st.tuples(st.just("ask"), st.integers(0, 3), st.integers(1, 8), st.integers(1, 60)),
    st.tuples(st.just("pass"), st.integers(1, 15_000)),
    st.tuples(st.just("use"), st.integers(0, GUARD_MS - 1), st.floats(0.1, 1)),
    st.tuples(st.just("return")),
    st.tuples(st.just("lose")),
    st.tuples(st.just("flush")),
)


class World:
    """Four drains, their shared limit, and a provider that writes down what arrives."""

    def __init__(self, client: Redis, model: Model) -> None:
        self.now = 1_795_000_000_000
        self.model = model
        self.client = client
        self.open: list[tuple[Limiter, Grant]] = []
        self.arrivals: list[tuple[float, int]] = []
        self.drains = [
            Limiter(
                client, drain=f"drain-{k}", prefix=settings.REDIS_KEY_PREFIX, clock_ms=lambda: round(self.now)
            )
            for k in range(4)
        ]

    @property
    def pool(self) -> PoolFacts:
        """The pool as the record shows it now."""
        limits = (
            PoolLimit("requests", self.model.n_requests, WINDOW_MS, "1"),
            PoolLimit("tokens", self.model.n_tokens, WINDOW_MS, "1"),
        )
        return PoolFacts(1, None, limits, (KEY,), has_recent_calls=self.model.was_used)

    async def ask(self, number: int, n: int, tokens: int) -> None:
        drain = self.drains[number]
        expected = self.model.ask(self.now, n, tokens)
        answer = await drain.acquire([self.pool], n=n, model_id=1, in_flight={}, tokens=Tokens(0, tokens))
        assert [grant.at_ms for grant in answer.grants] == expected
        assert answer.retry_in_ms == 0 or len(expected) < n
        assert len(expected) == n or (answer.retry_in_ms or 0) > HORIZON_MS
        self.model.rename(answer.grants)
        self.open += [(drain, grant) for grant in answer.grants]

    async def use(self, jitter_ms: int, share: float) -> None:
        """The first call is made and arrives a little late; it uses no more than was thought."""
        if self.open:
            drain, grant = self.open.pop(0)
            # a lane refuses a call above the whole limit; here it is cut to it, as the limiter counts it
            most = min(grant.tokens.output, self.model.n_tokens)
            _, guess = self.model.log.get(grant.member, (0.0, most))
            used = max(1, int(guess * share))
            self.arrivals.append((grant.at_ms + jitter_ms, used))
            if grant.member in self.model.log:
                self.model.log[grant.member] = (grant.at_ms, used)
            drain.settle(self.pool, grant, Tokens(0, used))
            await drain.beat([], in_flight={})

    async def give_back(self) -> None:
        if self.open:
            drain, grant = self.open.pop()
            self.model.log.pop(grant.member, None)
            await drain.give_back(self.pool, [grant])

    async def step(self, what: str, *values: Any) -> None:
        if what == "ask":
            await self.ask(*values)
        elif what == "use":
            await self.use(*values)
        elif what == "return":
            await self.give_back()
        elif what == "lose" and self.open:
            self.open.pop(0)
        elif what == "pass":
            self.now += values[0]
        elif what == "flush":
            await self.client.flushdb()
            self.model.log.clear()
            self.model.known_since = None


@given(
    n_requests=st.integers(1, 6),
    n_tokens=st.integers(20, 200),
    steps=st.lists(STEPS, min_size=5, max_size=40),
)
@example(n_requests=1, n_tokens=20, steps=[("ask", 0, 1, 21), ("flush",), ("use", 0, 1.0)])
@hypothesis_settings(
    max_examples=60, deadline=None, suppress_health_check=[HealthCheck.function_scoped_fixture]
)
def test_limiter_grants_what_the_model_grants_and_the_provider_never_sees_more(
    n_requests: int, n_tokens: int, steps: list[tuple[Any, ...]]
) -> None:
    async def run() -> World:
        async with Redis.from_url(settings.REDIS_URL) as client:
            await client.flushdb()
            world = World(client, Model(n_requests, n_tokens))
            for what, *values in steps:
                await world.step(what, *values)
            return world

    arrivals = asyncio.run(run()).arrivals

    for at, _ in arrivals:
        within = [used for other, used in arrivals if at <= other < at + WINDOW_MS]
        assert len(within) <= n_requests
        assert sum(within) <= n_tokens
