"""Child processes that never outlive us, and that take their own children with them when they stop.

Each child leads its own session, so that Ctrl-C reaches only us and a stop reaches its whole group. On
Linux the kernel ends it when we die, even by `kill -9`; elsewhere only a clean stop does.
"""

import ctypes
import os
import signal
import subprocess
import sys
import time
from collections.abc import Callable, Mapping, Sequence
from typing import IO, Any

PR_SET_PDEATHSIG = 1
KILL_WAIT_S = 5

_libc = ctypes.CDLL(None, use_errno=True) if sys.platform == "linux" else None  # loaded before any fork


def child_start(
    command: Sequence[str],
    *,
    environment: Mapping[str, str] | None = None,
    output: IO[Any] | int | None = None,
    keep_open: Sequence[int] = (),
    death_signal: signal.Signals = signal.SIGTERM,
) -> subprocess.Popen[bytes]:
    """Start a child; both its output streams go to `output`. Call it from the main thread: the kernel
    sends the death signal when the *thread* that forked ends.

    Raises:
        OSError: the program cannot be started.
    """
    return subprocess.Popen(
        command,
        env=environment,
        stdin=subprocess.DEVNULL,
        stdout=output,
        stderr=None if output is None else subprocess.STDOUT,
        start_new_session=True,
        pass_fds=tuple(keep_open),
        # safe: nothing between fork and exec but a system call of a library loaded before
        preexec_fn=_dies_with_parent(os.getpid(), death_signal),  # noqa: PLW1509
    )


def _dies_with_parent(parent_pid: int, death_signal: signal.Signals) -> Callable[[], None]:
    def prepare() -> None:
        if _libc is not None:
            _libc.prctl(PR_SET_PDEATHSIG, int(death_signal))
            if os.getppid() != parent_pid:  # it died between fork and prctl
                os._exit(1)

    return prepare


def children_stop(children: Sequence[subprocess.Popen[bytes]], *, grace_s: float) -> None:
    """Ask the children to end, give them the grace time together, then kill what is left of their groups."""
    for child in children:
        if child.poll() is None:
            child.terminate()
    until_s = time.monotonic() + grace_s
    for child in children:
        try:
            child.wait(max(0.0, until_s - time.monotonic()))
        except subprocess.TimeoutExpired:
            pass  # killed below
    for child in children:
        group_kill(child)


def group_kill(child: subprocess.Popen[bytes]) -> None:
    """Kill whatever still lives in the child's group, and reap the child."""
    try:
        os.killpg(child.pid, signal.SIGKILL)
    except (ProcessLookupError, PermissionError):
        pass  # nobody is left; macOS says so of a group that is one zombie
    child.wait(KILL_WAIT_S)
