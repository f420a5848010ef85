"""The provider simulator in a thread, for tests: real sockets, and its engine at hand for questions."""

import asyncio
import threading
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any

import requests

from providers.simulator.engine import Engine
from providers.simulator.journal import Journal
from providers.simulator.scenario import scenario_of
from providers.simulator.server import Simulator, listening

QUICK = {"latency_ms": 0, "answer_tokens": 20}


class RunningSimulator:
    """Listens on a free port while its `with` block runs."""

    def __init__(self, values: dict[str, Any], *, log: Path | None, seed: int | None) -> None:
        self.engine = Engine(scenario_of(values), journal=Journal(log), seed=seed)
        self.base_urls: dict[str, str] = {}
        self.url = ""
        self._loop = asyncio.new_event_loop()
        self._stop = asyncio.Event()
        self._ready = threading.Event()
        self.thread = threading.Thread(target=self._run, daemon=True)

    def calls(self) -> dict[str, Any]:
        """Return the summary of what arrived."""
        found: dict[str, Any] = self.get("calls").json()
        return found

    def get(self, name: str) -> requests.Response:
        """Ask one of the simulator's own addresses."""
        return requests.get(f"{self.url}/_simulator/{name}", timeout=5)

    def post(self, address: str, /, **values: Any) -> requests.Response:
        """Tell the simulator something."""
        return requests.post(f"{self.url}/_simulator/{address}", json=values, timeout=5)

    def start(self) -> None:
        """Listen."""
        self.thread.start()
        assert self._ready.wait(10), "the simulator did not start"

    def stop(self) -> None:
        """Stop listening."""
        self._loop.call_soon_threadsafe(self._stop.set)
        self.thread.join(10)

    def _run(self) -> None:
        asyncio.set_event_loop(self._loop)
        self._loop.run_until_complete(self._serve())
        self._loop.close()

    async def _serve(self) -> None:
        simulator: Simulator
        async with listening(self.engine, host="127.0.0.1", port=0) as simulator:
            self.url, self.base_urls = simulator.ports.url, simulator.ports.base_urls()
            self._ready.set()
            await self._stop.wait()


@contextmanager
def running_simulator(
    values: dict[str, Any] | None = None, *, log: Path | None = None, seed: int | None = None
) -> Iterator[RunningSimulator]:
    """Simulate the providers of a scenario, by default all of them, quickly, for the length of a `with` block."""
    simulator = RunningSimulator({"defaults": QUICK, **(values or {})}, log=log, seed=seed)
    simulator.start()
    try:
        yield simulator
    finally:
        simulator.stop()
