"""A service for a measurement: its own state directory, the simulator, workers and the scheduler as real processes.

PostgreSQL and Redis are used when `DATABASE_URL` and `REDIS_URL` say so (the database is emptied first: give one of
its own), else SQLite and the embedded server.
"""

import json
import os
import re
import subprocess
import sys
import tempfile
import time
from collections.abc import Iterator
from contextlib import ExitStack, contextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import TypedDict

ROOT = Path(__file__).resolve().parent.parent
READY = re.compile(r"simulating \d+ providers on (http://\S+)")
START_TIMEOUT_S = 60


@dataclass(frozen=True)
class Fleet:
    """What runs. `calls_path` is the simulator's own log: one JSON line per call that arrived."""

    environment: dict[str, str]
    state_dir: Path
    calls_path: Path

    def manage(self, *arguments: str) -> str:
        """Run `manage.py …` to its end and return what it printed."""
        command = [sys.executable, "manage.py", *arguments]
        done = subprocess.run(
            command, cwd=ROOT, env=self.environment, capture_output=True, text=True, check=False
        )
        if done.returncode:
            raise RuntimeError(f"manage.py {' '.join(arguments)} failed:\n{done.stdout}{done.stderr}")
        return done.stdout

    @contextmanager
    def running(self, *arguments: str) -> Iterator[subprocess.Popen[bytes]]:
        """Run `manage.py …` beside us and end it afterwards; what it prints goes to a log in the state directory."""
        from domainsite.children import child_start, children_stop

        with (self.state_dir / f"{arguments[0]}-{time.monotonic_ns()}.log").open("wb") as log:
            process = child_start(
                [sys.executable, "manage.py", *arguments], environment=self.environment, output=log
            )
        try:
            yield process
        finally:
            children_stop([process], grace_s=40)


class Call(TypedDict):
    """A line of the simulator's log, as far as measurements need it (docs/simulator.md has all)."""

    at: float
    provider: str
    kind: str
    status: int | None
    input_tokens: int
    output_tokens: int


def calls_of(path: Path) -> list[Call]:
    """Return the questions that arrived at the simulator so far; a line that is being written is left out."""
    lines = path.read_text().splitlines() if path.exists() else []
    calls: list[Call] = [json.loads(line) for line in lines if line.endswith("}")]
    return [call for call in calls if call["kind"] == "chat"]


@contextmanager
def simulated_service(*, scenario: Path, n_workers: int) -> Iterator[Fleet]:
    """Prepare a database, point its providers at the simulator, and run workers and the scheduler.

    Django is set up for it in this process as well; so one process measures one service.
    """
    with tempfile.TemporaryDirectory(prefix="dp-bench-") as name, ExitStack() as stack:
        state_dir = Path(name)
        os.environ |= {"STATE_DIR": name, "ENVIRONMENT": "development", "ENV_FILE": "", "LOG_LEVEL": "INFO"}
        os.environ.setdefault("DJANGO_SETTINGS_MODULE", "domainsite.settings")
        os.chdir(ROOT)
        import django

        django.setup()
        from django.conf import settings

        from domainsite.embedded import EmbeddedServer

        fleet = Fleet(dict(os.environ), state_dir, state_dir / "calls.jsonl")
        if settings.REDIS_IS_EMBEDDED:
            server = EmbeddedServer(state_dir)
            server.start()
            stack.callback(server.stop)
        fleet.manage("prepare", "-v", "0")
        fleet.manage("flush", "--no-input", "-v", "0")
        fleet.manage("prepare", "-v", "0")
        url = stack.enter_context(_simulator(fleet, scenario))
        fleet.manage(
            "simulate_providers", "--scenario", str(scenario), "--apply", "--port", url.rsplit(":", 1)[1]
        )
        stack.enter_context(fleet.running("scheduler"))
        for _ in range(n_workers):
            stack.enter_context(fleet.running("rqworker", *settings.DRAIN_QUEUES))
        yield fleet


@contextmanager
def _simulator(fleet: Fleet, scenario: Path) -> Iterator[str]:
    arguments = (
        "simulate_providers",
        "--scenario",
        str(scenario),
        "--port",
        "0",
        "--log",
        str(fleet.calls_path),
    )
    with fleet.running(*arguments):
        until_s = time.monotonic() + START_TIMEOUT_S
        while time.monotonic() < until_s:
            for log in fleet.state_dir.glob("simulate_providers-*.log"):
                if found := READY.search(log.read_text()):
                    yield found[1]
                    return
            time.sleep(0.2)
        raise RuntimeError("The simulator did not start.")
