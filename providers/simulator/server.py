"""The simulator on real sockets: carries out what the engine has planned, byte by byte where it goes wrong.

`Simulator` listens; `serve` runs one until it is told to stop. What is answered stands in `engine.py` and below.
"""

import asyncio
import contextlib
import gc
import resource
import socket
import struct
from collections.abc import AsyncIterator

from aiohttp import web

from providers.simulator.control import Control
from providers.simulator.engine import Engine
from providers.simulator.journal import GONE
from providers.simulator.plan import Deed, Plan
from providers.simulator.ports import Ports

CONTROL_PATH = "/_simulator/"
FLUSH_EVERY_S = 0.5
LOOK_EVERY_S = 0.02  # at faults that open and close ports by the clock
SHUTDOWN_S = 0.2  # for calls still under way
WANTED_FILES = 65_536
_RESET = struct.pack("ii", 1, 0)  # linger for 0 s: closing sends a reset


class Simulator:
    """Listens on a port for all providers, and on further ones for those that have their own."""

    def __init__(self, engine: Engine, *, host: str, port: int) -> None:
        self.engine = engine
        self._server = web.Server(self._handle, access_log=None, handler_cancellation=True)
        self._runner = web.ServerRunner(self._server, shutdown_timeout=SHUTDOWN_S)
        self.ports = Ports(self._runner, engine, host=host, port=port)
        self._control = Control(engine, self.ports)
        self._watch: asyncio.Task[None] | None = None

    async def start(self) -> None:
        """Open the ports; raises OSError when one is taken."""
        _allow_many_connections()
        await self._runner.setup()
        await self.ports.open()
        self._watch = asyncio.create_task(self._watch_clock())

    async def stop(self) -> None:
        """Close the ports and all connections, and write down what was under way."""
        if self._watch:
            self._watch.cancel()
            with contextlib.suppress(asyncio.CancelledError):
                await self._watch
        await self._runner.cleanup()
        self.engine.journal.close()

    async def _watch_clock(self) -> None:
        n_looks = 0
        while True:
            await asyncio.sleep(LOOK_EVERY_S)
            with contextlib.suppress(OSError):  # another process sits on the port: the next look tries again
                await self.ports.follow_faults()
            n_looks += 1
            if n_looks % round(FLUSH_EVERY_S / LOOK_EVERY_S) == 0:
                self.engine.journal.flush()

    async def _handle(self, request: web.BaseRequest) -> web.StreamResponse:
        body = await request.read()
        if request.path.startswith(CONTROL_PATH):
            return await self._control.answer(request.method, request.path, body)
        plan = self.engine.plan(method=request.method, path=request.path, headers=request.headers, body=body)
        is_delivered = False
        try:
            if plan.delay_s > 0:
                await asyncio.sleep(plan.delay_s)
            response = await _sent(request, plan)
            transport = request.transport
            is_delivered = plan.deed is Deed.SEND and transport is not None and not transport.is_closing()
        except asyncio.CancelledError:
            plan.record.outcome = GONE
            raise
        finally:
            self.engine.ended(plan, is_delivered=is_delivered)
        return response


async def _sent(request: web.BaseRequest, plan: Plan) -> web.StreamResponse:
    """Return the answer for the server to send, or spoil the connection as planned."""
    if plan.deed is Deed.SEND:
        return web.Response(
            body=plan.body, status=plan.status, headers=plan.headers, content_type=plan.content_type
        )
    if plan.deed is not Deed.RESET:
        await _send_half(request, plan)
    if transport := request.transport:
        if plan.deed is Deed.RESET:
            linger(transport)
            transport.abort()
        else:
            transport.close()
    return web.Response()  # goes nowhere: the connection is closed


async def _send_half(request: web.BaseRequest, plan: Plan) -> None:
    response = web.StreamResponse(status=plan.status, headers=plan.headers)
    response.content_type = plan.content_type
    response.content_length = len(plan.body)
    await response.prepare(request)
    await response.write(plan.body[: len(plan.body) // 2])
    if plan.deed is Deed.STALL:
        await asyncio.sleep(plan.stall_s)


def linger(transport: asyncio.WriteTransport) -> None:
    """Let the closing of a connection be a reset, not an orderly end."""
    if found := transport.get_extra_info("socket"):
        found.setsockopt(socket.SOL_SOCKET, socket.SO_LINGER, _RESET)


def collect_seldom() -> None:
    """Let a process that does nothing else spend less time looking for garbage among thousands of live calls."""
    gc.collect()
    gc.freeze()
    gc.set_threshold(50_000, 20, 100)


def _allow_many_connections() -> None:
    """Raise the limit of open files as far as we may: each connection is one."""
    soft, hard = resource.getrlimit(resource.RLIMIT_NOFILE)
    wanted = WANTED_FILES if hard == resource.RLIM_INFINITY else min(WANTED_FILES, hard)
    if soft < wanted:
        resource.setrlimit(resource.RLIMIT_NOFILE, (wanted, hard))


@contextlib.asynccontextmanager
async def listening(engine: Engine, *, host: str, port: int) -> AsyncIterator[Simulator]:
    """Listen for the length of an `async with` block."""
    simulator = Simulator(engine, host=host, port=port)
    await simulator.start()
    try:
        yield simulator
    finally:
        await simulator.stop()
