"""Keeps a set of child processes running: who dies comes back after a pause, output carries the child's name.

Not here: which processes (`stack.py`), how a child is bound to our life (`children.py`).
"""

import os
import signal
import subprocess
import sys
import threading
import time
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import IO

from domainsite.children import child_start, children_stop, group_kill

FIRST_PAUSE_S = 1.0
LONGEST_PAUSE_S = 30.0
STEADY_AFTER_S = 60.0  # a child that ran so long starts its next pause at the first again
LOOK_EVERY_S = 0.2


@dataclass(frozen=True)
class Service:
    """One process to keep running; `reloads_itself` says that a changed file is none of our business."""

    name: str
    command: tuple[str, ...]
    reloads_itself: bool = False


class Runner:
    """The life of one service: running, waiting out a pause, or being stopped to start again."""

    def __init__(
        self, service: Service, *, environment: Mapping[str, str], out: IO[str], grace_s: float
    ) -> None:
        self.service = service
        self.process: subprocess.Popen[bytes] | None = None
        self.n_starts = 0
        self.n_early_ends = 0  # in a row: how often it did not stay up
        self._environment = environment
        self._out = out
        self._grace_s = grace_s
        self._pause_s = FIRST_PAUSE_S
        self._started_s = 0.0
        self._start_at_s = 0.0  # monotonic; when it is due while no process runs
        self._kill_at_s: float | None = None  # set while it is being stopped to start again

    def tend(self, now_s: float) -> None:
        """Start what is due, note what died, kill what does not stop."""
        if self.process is None:
            if now_s >= self._start_at_s:
                self._start(now_s)
        elif self.process.poll() is not None:
            self._note_end(self.process, now_s)
        elif self._kill_at_s is not None and now_s >= self._kill_at_s:
            group_kill(self.process)

    def restart(self, now_s: float) -> None:
        """Ask the process to end; it starts again as soon as it has."""
        if self.process is not None and self._kill_at_s is None:
            self._kill_at_s = now_s + self._grace_s
            self.process.terminate()

    def _start(self, now_s: float) -> None:
        self.process = child_start(
            self.service.command, environment=self._environment, output=subprocess.PIPE
        )
        self.n_starts += 1
        self._started_s = now_s
        threading.Thread(target=self._pass_on, args=(self.process,), daemon=True).start()

    def _note_end(self, process: subprocess.Popen[bytes], now_s: float) -> None:
        group_kill(process)  # a worker's own child must not outlive it
        self.process = None
        if self._kill_at_s is not None:
            self._kill_at_s = None
            self._start_at_s = now_s
            return
        if now_s - self._started_s >= STEADY_AFTER_S:
            self._pause_s, self.n_early_ends = FIRST_PAUSE_S, 0
        self.n_early_ends += 1
        self.say(f"ended with {process.returncode}; starts again in {self._pause_s:.0f} s")
        self._start_at_s = now_s + self._pause_s
        self._pause_s = min(self._pause_s * 2, LONGEST_PAUSE_S)

    def _pass_on(self, process: subprocess.Popen[bytes]) -> None:
        """Print the child's lines, each whole and under its name."""
        if process.stdout is not None:
            with process.stdout as lines:
                for line in lines:
                    self.say(line.decode(errors="replace").rstrip("\n"))

    def say(self, line: str) -> None:
        """Print a line under the service's name."""
        print_line(self._out, self.service.name, line)


def print_line(out: IO[str], name: str, line: str) -> None:
    """Print one line in one write, so that those of several threads do not mix."""
    out.write(f"{name:<11}| {line}\n")
    out.flush()


class Supervisor:
    """Runs services until it is told to stop, by SIGINT, SIGTERM or `stop`."""

    def __init__(
        self,
        services: Sequence[Service],
        *,
        environment: Mapping[str, str] | None = None,
        out: IO[str] | None = None,
        grace_s: float,
    ) -> None:
        environment = {**(environment or os.environ), "PYTHONUNBUFFERED": "1"}
        self.runners = [
            Runner(service, environment=environment, out=out or sys.stdout, grace_s=grace_s)
            for service in services
        ]
        self._out = out or sys.stdout
        self._grace_s = grace_s
        self._is_stopping = threading.Event()

    def stop(self, *_signal: object) -> None:
        """Let `step` say no; children are stopped by `stop_all`. Also the signal handler."""
        self._is_stopping.set()

    def take_signals(self) -> None:
        """Stop on Ctrl-C and SIGTERM. Only in the main thread."""
        signal.signal(signal.SIGINT, self.stop)
        signal.signal(signal.SIGTERM, self.stop)

    def step(self) -> bool:
        """Tend every service once and wait a moment; False when it is time to stop."""
        if not self._is_stopping.is_set():
            for runner in self.runners:
                runner.tend(time.monotonic())
        return not self._is_stopping.wait(LOOK_EVERY_S)

    def say(self, name: str, line: str) -> None:
        """Print a line under a name."""
        print_line(self._out, name, line)

    def restart(self) -> None:
        """Restart the services that do not reload by themselves."""
        for runner in self.runners:
            if not runner.service.reloads_itself:
                runner.restart(time.monotonic())

    def stop_all(self) -> None:
        """Stop every child and its children; whoever is still there after the grace time is killed."""
        children_stop([runner.process for runner in self.runners if runner.process], grace_s=self._grace_s)
