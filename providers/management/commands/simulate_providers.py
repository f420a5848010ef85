"""`manage.py simulate_providers`: plays the providers of a scenario on a real port, for load and faults.

With `--apply` it points the catalogue's providers at such a simulator, with `--restore` back; see `docs/simulator.md`.
"""

import asyncio
import signal
from argparse import ArgumentParser
from pathlib import Path
from typing import Any

from django.core.management.base import BaseCommand, CommandError

from providers.errors import SimulationRefused
from providers.services.simulation import simulation_apply, simulation_restore
from providers.simulator.engine import Engine
from providers.simulator.journal import Journal
from providers.simulator.ports import base_urls_for
from providers.simulator.scenario import ScenarioError, scenario_path, scenario_read
from providers.simulator.server import collect_seldom, listening
from providers.simulator.specs import Scenario

ACTOR = "simulate_providers"


class Command(BaseCommand):
    help = "Plays LLM providers on a local port, with their limits and faults."
    requires_system_checks = []  # serving needs no database

    def add_arguments(self, parser: ArgumentParser) -> None:
        parser.add_argument(
            "--scenario", default="plain", help="a TOML file, or the name of a shipped scenario"
        )
        parser.add_argument("--port", type=int, default=9100, help="TCP port; 0: any free one")
        parser.add_argument("--host", default="127.0.0.1", help="address to listen on")
        parser.add_argument("--log", type=Path, help="file for a JSON line per call")
        parser.add_argument("--seed", type=int, help="instead of the scenario's own")
        instead = parser.add_mutually_exclusive_group()
        instead.add_argument(
            "--apply", action="store_true", help="point the providers of the database at a simulator, and end"
        )
        instead.add_argument("--restore", action="store_true", help="undo --apply, and end")

    def handle(self, *args: Any, **options: Any) -> None:
        try:
            if options["restore"]:
                return self._restore()
            scenario = scenario_read(scenario_path(options["scenario"]))
            if options["apply"]:
                return self._apply(scenario, host=options["host"], port=options["port"])
            engine = Engine(scenario, journal=Journal(options["log"]), seed=options["seed"])
            return asyncio.run(self._serve(engine, host=options["host"], port=options["port"]))
        except (ScenarioError, SimulationRefused) as error:
            raise CommandError(str(error)) from None
        except OSError as error:
            raise CommandError(f"The simulator cannot start: {error}") from None

    def _apply(self, scenario: Scenario, *, host: str, port: int) -> None:
        if not port:
            raise CommandError("--apply needs the --port at which the simulator listens.")
        urls = base_urls_for(scenario.providers, host=host, port=port)
        for name in simulation_apply(specs=scenario.providers, base_urls=urls, actor=ACTOR):
            self.stdout.write(f"{name:<18} {urls[name]}")
        self.stdout.write(
            self.style.WARNING(
                "These providers are simulated now; --restore undoes it. Real keys are refused."
            )
        )

    def _restore(self) -> None:
        names = simulation_restore(actor=ACTOR)
        self.stdout.write(f"Restored: {', '.join(names)}." if names else "No provider was simulated.")

    async def _serve(self, engine: Engine, *, host: str, port: int) -> None:
        stop = asyncio.Event()
        for number in (signal.SIGTERM, signal.SIGINT):
            asyncio.get_running_loop().add_signal_handler(number, stop.set)
        async with listening(engine, host=host, port=port) as simulator:
            for name, url in simulator.ports.base_urls().items():
                self.stdout.write(f"{name:<18} {url}")
            self.stdout.write(f"simulating {len(engine.providers)} providers on {simulator.ports.url}")
            self.stdout.flush()
            collect_seldom()
            await stop.wait()
