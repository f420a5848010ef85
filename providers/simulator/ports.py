"""The ports of the simulator: one for all, and one each for providers that can be unreachable while others are not."""

import asyncio
from collections.abc import Mapping

from aiohttp import web

from providers.simulator.engine import Engine
from providers.simulator.specs import ProviderSpec

BACKLOG = 4096  # connections that may knock at once


class Ports:
    """Opens and closes ports. Own ports follow the shared one: port + 1, + 2 … in the order of the catalogue."""

    def __init__(self, runner: web.BaseRunner, engine: Engine, *, host: str, port: int) -> None:
        self._runner = runner
        self._engine = engine
        self._host = host
        self.port = port
        self._own_ports = own_ports(engine.scenario.providers, port)
        self._own_sites: dict[str, web.TCPSite] = {}
        self._lock = asyncio.Lock()

    @property
    def url(self) -> str:
        """Return the shared address."""
        return f"http://{self._host}:{self.port}"

    def base_urls(self) -> dict[str, str]:
        """Return the base address of every provider."""
        specs = self._engine.scenario.providers
        return base_urls_for(specs, host=self._host, port=self.port, own=self._own_ports)

    async def open(self) -> None:
        """Open all ports; raises OSError when one is taken."""
        await web.TCPSite(self._runner, self._host, self.port, backlog=BACKLOG).start()
        self.port = self._runner.addresses[0][1]
        for name in self._own_ports:
            await self._open_own(name)

    async def follow_faults(self) -> None:
        """Close the ports that a fault closes now, and open the others again."""
        if not self._own_ports:
            return
        async with self._lock:
            closed = self._engine.closed_ports()
            for name in self._own_ports:
                if name in closed and name in self._own_sites:
                    await self._own_sites.pop(name).stop()
                elif name not in closed and name not in self._own_sites:
                    await self._open_own(name)

    async def _open_own(self, name: str) -> None:
        known = {address[1] for address in self._runner.addresses}
        site = web.TCPSite(
            self._runner, self._host, self._own_ports[name], backlog=BACKLOG, reuse_address=True
        )
        await site.start()
        self._own_sites[name] = site
        self._own_ports[name] = next(
            (address[1] for address in self._runner.addresses if address[1] not in known),
            self._own_ports[name],
        )


def own_ports(specs: Mapping[str, ProviderSpec], port: int) -> dict[str, int]:
    """Return the ports of providers with their own, by name; 0 stays 0: any free one."""
    names = [name for name, spec in specs.items() if spec.own_port]
    return {name: port and port + place for place, name in enumerate(names, 1)}


def base_urls_for(
    specs: Mapping[str, ProviderSpec], *, host: str, port: int, own: Mapping[str, int] | None = None
) -> dict[str, str]:
    """Return the base address of every provider of a simulator at this port."""
    own = own_ports(specs, port) if own is None else own
    return {name: f"http://{host}:{own.get(name, port)}{spec.base_path}" for name, spec in specs.items()}
