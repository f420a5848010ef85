"""The whole stack as `make run` starts it: answers, prints a login once, mends itself, leaves nothing behind."""

import http.client
import os
import re
import signal
import socket
import subprocess
import sys
from collections.abc import Iterator
from pathlib import Path

import pytest
from django.conf import settings

from domainsite.embedded import EmbeddedServer
from domainsite.local_model import free_port
from tests.processes import bare_environment, descendants, is_alive, wait_until


class Stack:
    """A running `manage.py stack` with an own state directory, SQLite file and embedded server."""

    def __init__(self, state_dir: Path, *, port: int, arguments: tuple[str, ...] = ()) -> None:
        self.port = port
        self.log = state_dir / "stack.log"
        environment = bare_environment(state_dir, PORT=str(port), QUEUE_CONCURRENCY="1", SHUTDOWN_GRACE_S="5")
        with self.log.open("ab") as log:
            self.process = subprocess.Popen(
                [sys.executable, "manage.py", "stack", *arguments],
                cwd=settings.BASE_DIR,
                env=environment,
                stdout=log,
                stderr=log,
            )

    def output(self) -> str:
        return self.log.read_text()

    def answers(self, path: str = "/readyz") -> bool:
        connection = http.client.HTTPConnection("127.0.0.1", self.port, timeout=2)
        try:
            connection.request("GET", path)
            return connection.getresponse().status == 200
        except OSError:
            return False
        finally:
            connection.close()

    def wait_until_up(self) -> None:
        wait_until(lambda: self.answers() or self.process.poll() is not None, timeout_s=60, what="/readyz")
        wait_until(lambda: "Listening on system" in self.output(), timeout_s=60, what="the system worker")


@pytest.fixture
def stack(tmp_path: Path) -> Iterator[Stack]:
    found = Stack(tmp_path, port=free_port())
    found.wait_until_up()
    yield found
    found.process.kill()
    found.process.wait()
    EmbeddedServer(tmp_path).socket_path.unlink(missing_ok=True)


def test_stack_mends_itself_and_leaves_nothing_behind(stack: Stack) -> None:
    login = re.findall(r"user (\w+), password (\S+)", stack.output())
    assert [user for user, _password in login] == ["admin"]
    assert stack.answers("/api/v2/health")

    worker = next(pid for pid in descendants(stack.process.pid) if b"system" in cmdline(pid))
    os.kill(worker, signal.SIGKILL)
    wait_until(lambda: stack.output().count("Listening on system") == 2, what="the worker's return")

    everyone = descendants(stack.process.pid)
    assert len(everyone) >= 6  # gunicorn and its worker, two workers, scheduler, server
    stack.process.send_signal(signal.SIGINT)
    assert stack.process.wait(30) == 0
    wait_until(lambda: not [pid for pid in everyone if is_alive(pid)], timeout_s=5, what="everyone's end")
    assert stack.output().rstrip().endswith("Stopped.")


def cmdline(pid: int) -> bytes:
    try:
        return Path(f"/proc/{pid}/cmdline").read_bytes()
    except (FileNotFoundError, ProcessLookupError):
        return b""


def test_server_that_dies_comes_back(stack: Stack) -> None:
    server = next(pid for pid in descendants(stack.process.pid) if b"redis.sock" in cmdline(pid))

    os.kill(server, signal.SIGKILL)
    wait_until(lambda: not is_alive(server), timeout_s=5)

    wait_until(stack.answers, timeout_s=20, what="readiness")


@pytest.mark.skipif(
    sys.platform != "linux", reason="elsewhere the kernel does not tell a child of its parent's end"
)
def test_stack_that_is_killed_takes_everyone_along(stack: Stack) -> None:
    everyone = descendants(stack.process.pid)

    stack.process.kill()
    stack.process.wait()

    wait_until(lambda: not [pid for pid in everyone if is_alive(pid)], timeout_s=40, what="everyone's end")


def test_port_that_is_taken_is_said(tmp_path: Path) -> None:
    with socket.create_server(("127.0.0.1", 0)) as taken:
        stack = Stack(tmp_path, port=taken.getsockname()[1])
        code = stack.process.wait(30)

    assert code == 1
    assert f"127.0.0.1:{stack.port} cannot be listened at" in stack.output()
    assert "PORT=" in stack.output()
    assert "Traceback" not in stack.output()
