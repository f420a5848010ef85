"""Starting and looking at real processes: who lives, who is whose child, and waiting for something to become true."""

import os
import time
from collections.abc import Callable
from pathlib import Path


def bare_environment(state_dir: Path, **variables: str) -> dict[str, str]:
    """Return the environment of a process that shares nothing with this test session but its measuring."""
    measuring = {name: value for name, value in os.environ.items() if name.startswith("COVERAGE_")}
    return {"PATH": os.environ["PATH"], "ENV_FILE": "", "STATE_DIR": str(state_dir), **measuring, **variables}


def wait_until(condition: Callable[[], object], *, timeout_s: float = 30, what: str = "it") -> None:
    """Wait until the condition holds.

    Raises:
        AssertionError: it did not in time.
    """
    until_s = time.monotonic() + timeout_s
    while not condition():
        assert time.monotonic() < until_s, f"{what} did not happen within {timeout_s} s"
        time.sleep(0.05)


def is_alive(pid: int) -> bool:
    """Say whether a process runs; a zombie does not."""
    try:
        os.kill(pid, 0)
    except ProcessLookupError:
        return False
    status = Path(f"/proc/{pid}/stat")
    return not status.exists() or status.read_text().rpartition(")")[2].split()[0] != "Z"


def descendants(pid: int) -> set[int]:
    """Return the ids of all processes below one."""
    parents = {}
    for entry in Path("/proc").iterdir():
        if entry.name.isdigit():
            try:
                parents[int(entry.name)] = int((entry / "stat").read_text().rpartition(")")[2].split()[1])
            except (FileNotFoundError, ProcessLookupError):
                continue
    found: set[int] = set()
    level = {pid}
    while level := {child for child, parent in parents.items() if parent in level} - found:
        found |= level
    return found
