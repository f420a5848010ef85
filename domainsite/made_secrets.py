"""Makes the secrets that a development installation lacks, and keeps them in `STATE_DIR/secrets.json`.

Without them sessions would end and stored provider keys become unreadable at every start. Staging and
production never come here: their secrets must be given.
"""

import base64
import fcntl
import json
import os
import secrets
import sys
from collections.abc import Callable
from pathlib import Path

FILE_NAME = "secrets.json"
N_SECRET_BYTES = 50


def new_secret() -> str:
    """Return a random text of 67 characters."""
    return secrets.token_urlsafe(N_SECRET_BYTES)


def new_encryption_key() -> str:
    """Return `k1:` and 32 random bytes in base64."""
    return "k1:" + base64.b64encode(secrets.token_bytes(32)).decode()


def made_secret(name: str, *, state_dir: Path, make: Callable[[], str]) -> str:
    """Return the kept secret of that name; make it first when there is none.

    Two processes that start at once get the same one: the file is read and written under a lock, and
    replaced whole, so that a process killed in between leaves the old one.

    Raises:
        OSError: the directory cannot be written.
        ValueError: the file holds something else.
    """
    path = state_dir / FILE_NAME
    with open(state_dir / f"{FILE_NAME}.lock", "w", opener=_private_opener) as lock:
        fcntl.flock(lock, fcntl.LOCK_EX)
        kept = _read(path)
        if name not in kept:
            kept[name] = make()
            _replace(path, kept)
            sys.stderr.write(f"Made {name}; it is kept in {path}\n")
        return kept[name]


def _read(path: Path) -> dict[str, str]:
    try:
        kept = json.loads(path.read_text(encoding="utf-8"))
    except FileNotFoundError:
        return {}
    if not isinstance(kept, dict) or not all(isinstance(secret, str) for secret in kept.values()):
        raise ValueError(f"{path} is not an object of texts")
    return kept


def _replace(path: Path, kept: dict[str, str]) -> None:
    scratch = path.with_suffix(f".{os.getpid()}")
    with open(scratch, "w", opener=_private_opener) as file:
        json.dump(kept, file, indent=2)
        file.flush()
        os.fsync(file.fileno())
    scratch.replace(path)


def _private_opener(path: str, flags: int) -> int:
    return os.open(path, flags, 0o600)
