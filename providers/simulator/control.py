"""The address under which a test asks what arrived and switches faults while the simulator runs.

`GET /_simulator/calls` (`/calls/last`: the newest records), `/providers`, `/faults`; `POST /_simulator/faults`,
`/reset`. It is meant for the machine itself: the simulator listens on 127.0.0.1 unless told otherwise.
"""

import json
from dataclasses import asdict
from typing import Any

from aiohttp import web

from providers.simulator.engine import Engine
from providers.simulator.fault_tables import fault_of, faults_check
from providers.simulator.faults import Fault
from providers.simulator.journal import as_json
from providers.simulator.ports import Ports
from providers.simulator.reading import Table


class Control:
    """Answers the simulator's own addresses."""

    def __init__(self, engine: Engine, ports: Ports) -> None:
        self._engine = engine
        self._ports = ports

    async def answer(self, method: str, path: str, body: bytes) -> web.Response:
        """Return the answer to a request below `/_simulator/`."""
        match (method, path.removeprefix("/_simulator/")):
            case ("GET", "calls"):
                return self._calls()
            case ("GET", "calls/last"):
                return web.json_response({"calls": [as_json(one) for one in self._engine.journal.last]})
            case ("GET", "providers"):
                return web.json_response(self._ports.base_urls())
            case ("GET", "faults"):
                return self._faults()
            case ("POST", "faults"):
                return await self._put(body)
            case ("POST", "reset"):
                self._engine.restart()
                await self._ports.follow_faults()
                return web.json_response({"is_reset": True})
        return _error(404, "There is nothing at this address.")

    def _calls(self) -> web.Response:
        self._engine.journal.flush()
        return web.json_response(
            {
                **self._engine.journal.summary(),
                "n_in_flight": self._engine.n_in_flight,
                "elapsed_s": self._engine.elapsed_s,
            }
        )

    def _faults(self) -> web.Response:
        return web.json_response({"faults": [shown(fault) for fault in self._engine.faults.faults]})

    async def _put(self, body: bytes) -> web.Response:
        """Switch a fault (`{"name": …, "is_on": …}`) or add one (`{"name": …, "kind": …, …}`)."""
        try:
            values = json.loads(body)
        except ValueError:
            values = None
        if not isinstance(values, dict):
            return _error(400, "A JSON object is needed.")
        if values.keys() == {"name", "is_on"} and isinstance(values["is_on"], bool):
            if not self._engine.faults.switch(str(values["name"]), is_on=values["is_on"]):
                return _error(404, f"There is no fault named {values['name']!r}.")
        else:
            errors: list[str] = []
            number = len(self._engine.faults.faults) + 1
            providers = self._engine.scenario.providers
            fault = fault_of(Table(values, path="", errors=errors), providers=providers, number=number)
            errors += faults_check([fault], providers)
            if errors:
                return _error(400, " ".join(sorted(errors)))
            self._engine.faults.put(fault)
        await self._ports.follow_faults()
        return self._faults()


def shown(fault: Fault) -> dict[str, Any]:
    """Return a fault as JSON can hold it; a key only by its end."""
    values = asdict(fault)
    values["prompt"] = fault.prompt.pattern if fault.prompt else None
    values["key"] = fault.key and f"…{fault.key[-4:]}"
    return values


def _error(status: int, message: str) -> web.Response:
    return web.json_response({"error": {"message": message}}, status=status)
