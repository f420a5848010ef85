"""The drain's waiting room for results: it batches them and never loses one while the database is away.

A batch goes out every half second or at 200 results. A lost connection keeps the batch and tries again; a row
that the database refuses is found by halving, so that it never costs its neighbours. What is written, and how
often it may be repeated, stands in `processing.services.recording`.
"""

import asyncio
import logging
import uuid
from collections.abc import Awaitable, Callable, Sequence
from dataclasses import replace

from django.db import DataError, IntegrityError, InterfaceError, OperationalError, connection

from processing.services.closing import runs_close
from processing.services.notes import notes_take
from processing.services.recording import Recorded, Result, results_record
from providers.protocols.base import Failure, Outcome

logger = logging.getLogger(__name__)

BATCH_EVERY_S = 0.5
BATCH_SIZE = 200
PAUSE_CLAIMS_AT = 2_000  # unwritten results
RETRY_EVERY_S = 1.0


class Recorder:
    """Collects results in the event loop; `write` puts a batch into the database and raises what may pass."""

    def __init__(self, drain: uuid.UUID, write: Callable[[Sequence[Result]], Awaitable[None]]) -> None:
        self._drain = drain
        self._write_batch = write
        self._unwritten: list[Result] = []
        self._wake = asyncio.Event()
        self._is_closing = False

    @property
    def n_unwritten(self) -> int:
        """Results that the database does not have yet."""
        return len(self._unwritten)

    @property
    def is_full(self) -> bool:
        """Whether claiming must pause until the database takes results again."""
        return len(self._unwritten) >= PAUSE_CLAIMS_AT

    def add(self, result: Result) -> None:
        """Take one result; it is written with the next batch."""
        self._unwritten.append(result)
        if len(self._unwritten) >= BATCH_SIZE:
            self._wake.set()

    def close(self) -> None:
        """Write what is left, then let `run` return."""
        self._is_closing = True
        self._wake.set()

    async def run(self) -> None:
        """Write batches until closed and empty."""
        while not (self._is_closing and not self._unwritten):
            if not self._is_closing:
                await self._wait_for_batch()
            if self._unwritten:
                await self._write(self._unwritten[:BATCH_SIZE])

    async def _wait_for_batch(self) -> None:
        self._wake.clear()
        if len(self._unwritten) < BATCH_SIZE:
            try:
                await asyncio.wait_for(self._wake.wait(), BATCH_EVERY_S)
            except TimeoutError:
                return

    async def _write(self, batch: list[Result]) -> None:
        try:
            await self._write_batch(batch)
        except (OperationalError, InterfaceError) as error:
            logger.warning(
                "drain %s: %d results wait for the database: %s", self._drain, len(self._unwritten), error
            )
            await asyncio.sleep(RETRY_EVERY_S)
            return
        del self._unwritten[: len(batch)]


def batch_write(drain: uuid.UUID, batch: Sequence[Result]) -> Recorded:
    """Write a batch and close the runs that ended with it. Raises only what may pass by itself."""
    recorded = _write_or_halve(drain, batch)
    notes_take(batch)
    if recorded.run_ids:
        runs_close(recorded.run_ids)
    return recorded


def _write_or_halve(drain: uuid.UUID, batch: Sequence[Result]) -> Recorded:
    try:
        return results_record(drain, batch)
    except (OperationalError, InterfaceError):
        connection.close()
        raise
    except (DataError, IntegrityError, ValueError) as error:
        if len(batch) == 1:
            return results_record(drain, [_as_malformed(batch[0], error)])
    middle = len(batch) // 2
    first, second = _write_or_halve(drain, batch[:middle]), _write_or_halve(drain, batch[middle:])
    return Recorded(first.n_attempts + second.n_attempts, first.run_ids | second.run_ids)


def _as_malformed(result: Result, error: Exception) -> Result:
    """Keep the call, its cost and its cause, without the content that the database refused."""
    logger.error("question %d: the database refused the result: %s", result.claim.question_id, error)
    reason = f"The answer could not be stored: {type(error).__name__}"
    return replace(result, reply=Failure(Outcome.MALFORMED, reason, http_status=result.reply.http_status))
