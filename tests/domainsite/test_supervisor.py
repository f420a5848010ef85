"""Services come back when they die, stop with their own children, and print under their names."""

import io
import os
import signal
import subprocess
import sys
import time
from collections.abc import Callable, Iterator
from pathlib import Path

import pytest

from domainsite.changes import changed_at
from domainsite.supervisor import Service, Supervisor
from tests.processes import is_alive, wait_until

FOREVER = ("-c", "import time; print('up', flush=True); time.sleep(60)")
STUBBORN_PARENT = """
import signal, subprocess, sys, time
signal.signal(signal.SIGTERM, signal.SIG_IGN)
deaf = "import signal, time; signal.signal(15, signal.SIG_IGN); time.sleep(60)"
child = subprocess.Popen([sys.executable, "-c", deaf])
print(child.pid, flush=True)
time.sleep(60)
"""
SUPERVISING = """
import sys
from domainsite.supervisor import Service, Supervisor
supervisor = Supervisor([Service("a", (sys.executable, "-c", "import time; time.sleep(60)"))], grace_s=1)
supervisor.step()
print(supervisor.runners[0].process.pid, flush=True)
while supervisor.step():
    pass
"""


@pytest.fixture
def supervise() -> Iterator[Callable[..., Supervisor]]:
    made: list[Supervisor] = []

    def make(*arguments: str, out: io.StringIO | None = None, grace_s: float = 0.5) -> Supervisor:
        service = Service("tester", (sys.executable, *arguments))
        made.append(Supervisor([service], grace_s=grace_s, out=out or io.StringIO()))
        return made[-1]

    yield make
    for supervisor in made:
        supervisor.stop_all()


def steps_until(supervisor: Supervisor, condition: Callable[[], object], *, timeout_s: float = 20) -> None:
    wait_until(lambda: supervisor.step() and condition(), timeout_s=timeout_s)


def test_service_that_dies_comes_back(supervise: Callable[..., Supervisor]) -> None:
    out = io.StringIO()
    supervisor = supervise(*FOREVER, out=out)
    runner = supervisor.runners[0]
    steps_until(supervisor, lambda: "up" in out.getvalue())
    assert runner.process is not None

    runner.process.kill()
    steps_until(supervisor, lambda: out.getvalue().count("up") == 2)

    assert runner.n_starts == 2
    assert "tester     | ended with -9; starts again in 1 s" in out.getvalue()


def test_pauses_grow_while_a_service_does_not_stay_up(supervise: Callable[..., Supervisor]) -> None:
    out = io.StringIO()
    supervisor = supervise("-c", "raise SystemExit(7)", out=out)

    steps_until(supervisor, lambda: supervisor.runners[0].n_early_ends == 3)

    pauses = [line.split()[-2] for line in out.getvalue().splitlines()]
    assert pauses == ["1", "2", "4"]


def test_stop_takes_grandchildren_along(supervise: Callable[..., Supervisor]) -> None:
    out = io.StringIO()
    supervisor = supervise("-c", STUBBORN_PARENT, out=out)
    steps_until(supervisor, out.getvalue)
    grandchild = int(out.getvalue().split("|")[1])
    assert is_alive(grandchild)

    started_s = time.monotonic()
    supervisor.stop_all()

    assert time.monotonic() - started_s < 3
    wait_until(lambda: not is_alive(grandchild), timeout_s=5)


def test_restart_does_not_wait_out_a_pause(supervise: Callable[..., Supervisor]) -> None:
    out = io.StringIO()
    supervisor = supervise(*FOREVER, out=out)
    steps_until(supervisor, lambda: "up" in out.getvalue())

    supervisor.restart()
    steps_until(supervisor, lambda: out.getvalue().count("up") == 2, timeout_s=5)

    assert "starts again" not in out.getvalue()


@pytest.mark.skipif(
    sys.platform != "linux", reason="elsewhere the kernel does not tell a child of its parent's end"
)
def test_children_end_when_the_supervisor_is_killed() -> None:
    command = [sys.executable, "-c", SUPERVISING]
    process = subprocess.Popen(command, stdout=subprocess.PIPE, text=True, cwd=Path(__file__).parents[2])
    assert process.stdout is not None
    child = int(process.stdout.readline())

    os.kill(process.pid, signal.SIGKILL)
    process.communicate()

    wait_until(lambda: not is_alive(child), timeout_s=5)


def test_changed_file_is_seen(tmp_path: Path) -> None:
    (tmp_path / "processing").mkdir()
    file = tmp_path / "processing" / "drain.py"
    file.touch()
    os.utime(file, (1000, 1000))
    assert changed_at(tmp_path) == 1000

    os.utime(file, (2000, 2000))

    assert changed_at(tmp_path) == 2000
