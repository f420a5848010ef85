"""The drain: one event loop in which the lanes of all models ask, and one database thread that serves them.

It lives by its beat: a row that it touches every few seconds on the database's clock. It stops claiming when
told to (SIGTERM), when its worker is gone, when its row was declared dead, or when its slice is over, and ends
when nothing is left; what is still in flight then finishes within the grace time or is given back. How a lane
asks stands in `lane`, how results are written in `recorder`.
"""

import asyncio
import logging
import os
import uuid
from collections import Counter, defaultdict
from collections.abc import AsyncIterator, Callable, Coroutine, Sequence
from concurrent.futures import ThreadPoolExecutor
from contextlib import AsyncExitStack, asynccontextmanager
from dataclasses import dataclass
from typing import Any, TypeVar

from django.conf import settings
from django.db import Error as DatabaseError
from django.db import InterfaceError, OperationalError, connection, connections
from redis.asyncio import Redis
from redis.exceptions import RedisError

from processing import claims, dispatch
from processing.beats import beat, drain_begin, drain_end, drain_fail
from processing.claims import Claim
from processing.lane import Lane
from processing.learning import Learning
from processing.models import Drain
from processing.questions import asks_for
from processing.recorder import Recorder, batch_write
from processing.services.recording import Result
from providers.facts import LaneFacts, PoolFacts, PoolLimit, UsableKey
from providers.keyring import askable_model_ids, lanes_for
from providers.limiter import Limiter
from providers.long_counts import limit_used
from providers.protocols.base import Ask
from providers.transport import AioTransport

logger = logging.getLogger(__name__)
T = TypeVar("T")

LOOK_EVERY_S = 1.0  # for lanes that have work again
LINGER_S = 5.0  # a drain waits this long for questions that are due soon; later ones get a new drain
DEAD_KEY_S = 30.0  # by then the recorder has written that the key was refused
SUCCESSOR_WAIT_S = 10.0  # at the end of the slice, for another drain to take over without a gap


@dataclass(frozen=True, slots=True)
class DrainPlan:
    """How a drain works. `own_run_only`: it serves the run that names it (`Run.drain_only`) and no other."""

    id: uuid.UUID
    queue: str = ""
    job_id: str = ""
    worker: str = ""
    is_careful: bool = False
    own_run_only: bool = False
    slice_s: float = 900.0
    grace_s: float = 25.0
    parent_pid: int | None = None


class DrainLoop:
    """One drain at work; `run` returns when it has ended. All its attributes belong to the event loop's thread."""

    def __init__(self, plan: DrainPlan) -> None:
        self.plan = plan
        self._dead_keys: dict[int, float] = {}
        self.in_flight: Counter[str] = Counter()
        self.n_calls = 0
        self._lanes: dict[int, Lane] = {}
        self._lane_tasks: dict[int, asyncio.Task[None]] = {}
        self._calls: set[asyncio.Task[None]] = set()
        self._owned: set[tuple[int, int]] = set()  # (question, claim_no); touched in the database thread only
        self._pool_locks: defaultdict[int, asyncio.Lock] = defaultdict(asyncio.Lock)
        self._rests_until: dict[int, float] = {}
        self._end = ""
        self._stopping = asyncio.Event()
        self._over = asyncio.Event()
        self._database_thread = ThreadPoolExecutor(1, thread_name_prefix="database")
        self.recorder = Recorder(plan.id, self._record)
        self.learning = Learning()

    # --- what lanes use ------------------------------------------------------------------------------
    @property
    def is_careful(self) -> bool:
        """Whether this drain asks one question at a time."""
        return self.plan.is_careful

    @property
    def is_stopping(self) -> bool:
        """Whether nothing new may be claimed or called."""
        return self._stopping.is_set()

    @property
    def is_full(self) -> bool:
        """Whether claiming pauses: results wait for the database, or a careful drain has its one question."""
        return self.recorder.is_full or (self.is_careful and bool(self._calls or self.recorder.n_unwritten))

    def is_dead(self, key: UsableKey) -> bool:
        """Whether the provider has just refused the key; the record says so to all within seconds."""
        return self._dead_keys.get(key.id, 0.0) > asyncio.get_running_loop().time()

    def key_refused(self, key: UsableKey) -> None:
        """Call nothing with this key until the record knows."""
        self._dead_keys[key.id] = asyncio.get_running_loop().time() + DEAD_KEY_S

    @asynccontextmanager
    async def pool_locks(self, pools: Sequence[PoolFacts]) -> AsyncIterator[None]:
        """Hold the locks under which slots of pools are asked for: their counts in flight must not grow meanwhile."""
        async with AsyncExitStack() as held:
            for pool_id in sorted(pool.id for pool in pools):
                await held.enter_async_context(self._pool_locks[pool_id])
            yield

    def rests(self, pool: PoolFacts) -> bool:
        """Whether the pool may not be called now, as far as this drain knows."""
        return self._rests_until.get(pool.id, 0.0) > asyncio.get_running_loop().time()

    def rest(self, pool: PoolFacts, seconds: float) -> None:
        """Call nothing of the pool for a while."""
        self._rests_until[pool.id] = asyncio.get_running_loop().time() + seconds

    async def claim(self, model_id: int, n: int, claim_round: int) -> list[tuple[Claim, Ask]]:
        """Take up to `n` questions of a model, with what to ask. Raises `django.db.Error`."""
        n = min(n, 1) if self.is_careful else n
        return await self.in_database_thread(self._claim_now, model_id, n, claim_round)

    async def release(self, taken: Sequence[Claim]) -> None:
        """Put questions back that were not called; while the database is away they are kept for later."""
        while taken:
            try:
                await self.in_database_thread(self._release_now, taken)
                return
            except DatabaseError as error:
                logger.warning(
                    "drain %s: %d questions not given back yet: %s", self.plan.id, len(taken), error
                )
                await asyncio.sleep(LOOK_EVERY_S)

    def spawn(self, call: Coroutine[Any, Any, None]) -> None:
        """Run one call on its own."""
        task = asyncio.create_task(call)
        self._calls.add(task)
        self.n_calls += 1
        task.add_done_callback(self._call_done)

    async def stopped_within(self, seconds: float) -> bool:
        """Wait; True at once when the drain stops meanwhile."""
        await self.first_of(self._stopping, seconds)
        return self.is_stopping

    async def first_of(self, event: asyncio.Event, seconds: float) -> None:
        """Wait for the event, but not longer than this; a stop of the drain is seen by the caller."""
        if seconds > 0 and not event.is_set():
            try:
                await asyncio.wait_for(event.wait(), seconds)
            except TimeoutError:
                return

    async def in_database_thread(self, function: Callable[..., T], *arguments: Any) -> T:
        """Run a function that uses the ORM; a broken connection is closed, so that the next call opens a new one."""
        return await asyncio.get_running_loop().run_in_executor(
            self._database_thread, _with_sound_connection, function, *arguments
        )

    # --- life ----------------------------------------------------------------------------------------
    def stop(self, end: str) -> None:
        """Claim and call nothing more; safe to repeat, the first reason counts."""
        self._end = self._end or end
        self._stopping.set()

    async def run(self) -> str:
        """Ask until the end and return how it ended (`Drain.End`)."""
        if await self.in_database_thread(self._begin_now):
            self.stop(Drain.End.SURPLUS)
        client = Redis.from_url(settings.REDIS_URL, socket_timeout=5.0, socket_connect_timeout=2.0)
        try:
            async with AioTransport() as self.transport:
                self.limiter = Limiter(
                    client, drain=str(self.plan.id), prefix=settings.REDIS_KEY_PREFIX, seed=self._used_before
                )
                await self._work()
        except Exception as error:
            await self.in_database_thread(drain_fail, self.plan.id, f"{type(error).__name__}: {error}")
            raise
        finally:
            await client.aclose()
            await self.in_database_thread(connections.close_all)
            self._database_thread.shutdown()
        return self._end

    async def _work(self) -> None:
        recording = asyncio.create_task(self.recorder.run())
        beating = asyncio.create_task(self._beat_on())
        for vital in (recording, beating):
            vital.add_done_callback(self._vital_done)
        try:
            await self._supervise()
            await self._finish()
        finally:
            self.recorder.close()
            try:
                await recording
            finally:
                self._over.set()
                await beating
        await self._leave()

    async def _supervise(self) -> None:
        """Start lanes that have work, until nothing is left or the drain stops."""
        loop = asyncio.get_running_loop()
        slice_ends = loop.time() + self.plan.slice_s
        while not self.is_stopping:
            soon_s = await self._start_lanes()
            is_idle = not (self._lane_tasks or self._calls or self.recorder.n_unwritten)
            if is_idle and (soon_s is None or soon_s > LINGER_S):
                self.stop(Drain.End.DONE)
            elif loop.time() > slice_ends:
                await self._hand_over()
            else:
                await self.stopped_within(
                    LOOK_EVERY_S if soon_s is None else min(LOOK_EVERY_S, max(soon_s, 0.05))
                )

    async def _start_lanes(self) -> float | None:
        """Start the lanes whose model has something due; return the seconds until the next such question is due."""
        self._lane_tasks = {model_id: task for model_id, task in self._lane_tasks.items() if not task.done()}
        try:
            due = await self.in_database_thread(self._look)
        except DatabaseError as error:
            logger.warning("drain %s: the database does not answer: %s", self.plan.id, error)
            await self.stopped_within(LOOK_EVERY_S)
            return 0.0
        for model_id, seconds in due.items():
            if self.is_careful and self._lane_tasks:
                break  # one question at a time, over all lanes
            if seconds <= 0 and model_id in self._lanes:
                self._lane_tasks[model_id] = asyncio.create_task(self._lanes[model_id].run())
        return min(
            (seconds for seconds in due.values() if seconds > 0), default=LOOK_EVERY_S if due else None
        )

    def _look(self) -> dict[int, float]:
        """In the database thread: per idle lane with waiting questions, the seconds until one is due."""
        idle = askable_model_ids() - set(self._lane_tasks)
        due = claims.seconds_to_next_due(
            self.plan.id, model_ids=sorted(idle), only_own=self.plan.own_run_only, careful=self.is_careful
        )
        missing = [model_id for model_id in due if model_id not in self._lanes]
        for model_id, facts in lanes_for(missing).items():
            self._lanes[model_id] = Lane(facts, self)
        return due

    def _claim_now(self, model_id: int, n: int, claim_round: int) -> list[tuple[Claim, Ask]]:
        taken = claims.questions_claim(
            self.plan.id, model_id=model_id, n=n, only_own=self.plan.own_run_only, careful=self.is_careful,
            claim_round=claim_round,
        )  # fmt: skip
        self._owned |= {(claim.question_id, claim.claim_no) for claim in taken}
        asks = asks_for(taken)
        return [(claim, asks[claim.question_id]) for claim in taken]

    def _begin_now(self) -> bool:
        """In the database thread: write the row; True when others already do all the work."""
        drain = drain_begin(self.plan)
        try:
            return not self.plan.own_run_only and dispatch.is_surplus(drain)
        except RedisError:
            return False

    def _release_now(self, taken: Sequence[Claim]) -> None:
        claims.questions_release(self.plan.id, taken)
        self._owned -= {(claim.question_id, claim.claim_no) for claim in taken}

    async def _record(self, batch: Sequence[Result]) -> None:
        await self.in_database_thread(self._record_now, batch)

    def _record_now(self, batch: Sequence[Result]) -> None:
        batch_write(self.plan.id, batch)
        self._owned -= {(result.claim.question_id, result.claim.claim_no) for result in batch}

    def _beat_now(self) -> bool:
        """In the database thread: beat, and put back what a lost connection left in our name without our knowing."""
        is_alive = beat(self.plan.id, self._figures())
        claims.strays_release(self.plan.id, self._owned)
        self.learning.tell()
        return is_alive

    async def _beat_on(self) -> None:
        """Touch the row, renew what is counted in flight, and see what has changed; every few seconds."""
        while not self._over.is_set():
            if self.plan.parent_pid is not None and os.getppid() != self.plan.parent_pid:
                self.stop(Drain.End.ORPHANED)
            try:
                if not await self.in_database_thread(self._beat_now):
                    self.stop(Drain.End.DEAD)
                fresh = await self.in_database_thread(lanes_for, sorted(self._lanes))
                self._facts_replace(fresh)
                await self._limits_renew()
            except (DatabaseError, RedisError) as error:
                logger.warning("drain %s: no beat: %s", self.plan.id, error)
            await self.first_of(self._over, Drain.BEAT_EVERY_S)

    def _facts_replace(self, fresh: dict[int, LaneFacts]) -> None:
        for model_id, facts in fresh.items():
            self._lanes[model_id].facts = facts

    async def _limits_renew(self) -> None:
        for lane in list(self._lanes.values()):  # each sees the limits of its own model
            for pool in lane.facts.pools:
                async with self.pool_locks([pool]):
                    await self.limiter.beat([pool], in_flight=self.in_flight)

    async def _used_before(self, pool: PoolFacts, limit: PoolLimit) -> Sequence[tuple[int, int]]:
        return await self.in_database_thread(limit_used, pool.id, limit)

    def _figures(self) -> dict[str, Any]:
        lanes = [
            {"model": lane.facts.model_id, "in_flight": lane.n_in_flight, "waiting_for": lane.waiting_for}
            for lane in self._lanes.values()
        ]
        return {"n_in_flight": len(self._calls), "n_calls": self.n_calls, "lanes": lanes}

    async def _hand_over(self) -> None:
        """At the end of the slice: ask for a successor, go on until it beats, but do not wait for ever."""
        await self.in_database_thread(beat, self.plan.id, {"end": Drain.End.SLICE})
        await self.in_database_thread(dispatch.drains_dispatch)
        await self.stopped_within(SUCCESSOR_WAIT_S)
        self.stop(Drain.End.SLICE)

    async def _finish(self) -> None:
        """Let lanes see the stop, then wait for calls in flight: a while after SIGTERM, else as long as they take."""
        if self._lane_tasks:
            await asyncio.wait(self._lane_tasks.values(), timeout=self.plan.grace_s)
        is_patient = self._end in (Drain.End.DONE, Drain.End.SLICE, Drain.End.DEAD)
        in_time = None if is_patient else self.plan.grace_s
        if self._calls:
            _, late = await asyncio.wait(self._calls, timeout=in_time)
            for task in late:
                task.cancel()
            if late:
                await asyncio.wait(late)

    async def _leave(self) -> None:
        await self.in_database_thread(drain_end, self.plan.id, self._end, self.n_calls)
        try:
            await self.limiter.leave()
        except RedisError as error:
            logger.warning("drain %s: its calls in flight are forgotten later: %s", self.plan.id, error)

    def _vital_done(self, task: asyncio.Task[None]) -> None:
        """Without its recorder or its beat a drain must not go on: what it asks would be lost."""
        if not task.cancelled() and task.exception() is not None:
            self.stop(Drain.End.FAILED)

    def _call_done(self, task: asyncio.Task[None]) -> None:
        self._calls.discard(task)
        if not task.cancelled() and task.exception() is not None:
            logger.error(
                "drain %s: a call ended with an error of ours", self.plan.id, exc_info=task.exception()
            )


def _with_sound_connection(function: Callable[..., T], *arguments: Any) -> T:
    try:
        return function(*arguments)
    except (OperationalError, InterfaceError):
        connection.close()
        raise
