"""Reads the environment for `settings.py`: every wrong value is collected, then the start stops and names them all.

django-environ reads the `.env` file and parses database addresses; the rest stands here because a wrong
value must never be guessed at (its `bool` takes any unknown word for false). An empty variable counts as
unset. A secret, `DATABASE_URL` and `REDIS_URL` may also be given as `NAME_FILE`, a path to a file with the
value. Not here: which variables exist (`settings.py`) and how made secrets are kept (`made_secrets.py`).
"""

import base64
import binascii
import hashlib
import os
import tempfile
from collections.abc import Callable, Mapping
from pathlib import Path
from typing import Any, TypeVar
from urllib.parse import urlsplit

import environ
from django.core.exceptions import ImproperlyConfigured

from domainsite.made_secrets import made_secret, new_encryption_key, new_secret

Value = TypeVar("Value")

TRUE_WORDS = {"1", "true", "yes", "on"}
FALSE_WORDS = {"0", "false", "no", "off"}
N_DISTINCT_CHARACTERS = 12  # fewer and a secret was typed, not made
ENCRYPTION_KEY_BYTES = 32
SQLITE_INIT = "PRAGMA journal_mode=WAL; PRAGMA synchronous=NORMAL;"
SQLITE_TIMEOUT_S = 30  # its waits are unfair: 7 s were seen with ten writers


class SettingsError(ImproperlyConfigured):
    """One or more variables hold values that the service cannot start with."""


class Environment:
    """Typed reads of variables; errors are kept until `raise_for_errors`."""

    def __init__(self, *, base_dir: Path, variables: Mapping[str, str] | None = None) -> None:
        variables = os.environ if variables is None else variables
        self.source: dict[str, str] = dict(variables)
        self.errors: list[str] = []
        self._base_dir = base_dir
        self._read_env_file(Path(self.source.get("ENV_FILE", base_dir / ".env")))

    def _read_env_file(self, path: Path) -> None:
        """Add the lines of an optional `.env` file; what is in the environment already wins."""
        if path.is_file():

            class Reader(environ.Env):
                ENVIRON = self.source

            Reader.read_env(path)
        elif self.source.get("ENV_FILE"):
            self.fail("ENV_FILE", f'"{path}" is not a file')

    def raise_for_errors(self) -> None:
        """Stop the start when anything was wrong.

        Raises:
            SettingsError: with one line per wrong variable.
        """
        if self.errors:
            raise SettingsError(
                "The environment is not usable:\n" + "\n".join(f"  {line}" for line in self.errors)
            )

    def fail(self, name: str, problem: str) -> None:
        """Note that a variable is wrong; secrets are never quoted."""
        self.errors.append(f"{name}: {problem}")

    def given(self, name: str) -> str | None:
        """Return the variable's text without surrounding space, None when unset or empty."""
        return self.source.get(name, "").strip() or None

    def given_or_file(self, name: str) -> str | None:
        """Return the variable's text, else that of the file which `NAME_FILE` names."""
        path = self.given(f"{name}_FILE")
        if path is None:
            return self.given(name)
        if self.given(name):
            self.fail(f"{name}_FILE", f"{name} is set too: give one of the two")
            return None
        try:
            text = Path(path).read_text(encoding="utf-8").strip()
        except (OSError, UnicodeDecodeError) as error:
            self.fail(f"{name}_FILE", f'"{path}" cannot be read ({error})')
            return None
        if not text:
            self.fail(f"{name}_FILE", f'"{path}" is empty')
        return text or None

    def choice(self, name: str, allowed: list[str], *, default: str) -> str:
        """Read one of a few words, in any case."""
        text = self.given(name) or default
        by_case = {word.lower(): word for word in allowed}
        if text.lower() not in by_case:
            self.fail(name, f'"{text}" is none of {", ".join(allowed)}')
            return default
        return by_case[text.lower()]

    def boolean(self, name: str, *, default: bool) -> bool:
        """Read yes or no."""
        text = self.given(name)
        if text is None:
            return default
        if text.lower() not in TRUE_WORDS | FALSE_WORDS:
            self.fail(name, f'"{text}" is neither true nor false')
        return text.lower() in TRUE_WORDS

    def path(self, name: str, *, default: Path) -> Path:
        """Read a directory, relative to the project's; it is made when missing."""
        path = (self._base_dir / Path(self.given(name) or default).expanduser()).resolve()
        try:
            path.mkdir(parents=True, exist_ok=True)
        except OSError as error:
            self.fail(name, f'"{path}" cannot be made or used as a directory ({error.strerror})')
        return path

    def integer(self, name: str, *, default: int, minimum: int, maximum: int, meaning: str) -> int:
        """Read a whole number; `meaning` says what it counts, with its unit."""
        text = self.given(name)
        if text is None:
            return default
        if not (text.isascii() and text.removeprefix("-").isdigit()):
            self.fail(name, f'"{text}" is not a whole number ({meaning}, {minimum}–{maximum})')
            return default
        if not minimum <= int(text[:20]) <= maximum:
            self.fail(name, f"{text[:40]} is out of range ({meaning}, {minimum}–{maximum})")
            return default
        return int(text)

    def optional_integer(
        self, name: str, *, default: int, minimum: int, maximum: int, meaning: str
    ) -> int | None:
        """Read a whole number, or `none`."""
        if (self.given(name) or "").lower() == "none":
            return None
        return self.integer(
            name, default=default, minimum=minimum, maximum=maximum, meaning=f"{meaning} or none"
        )

    def text(self, name: str, *, default: str) -> str:
        """Read any text."""
        return self.given(name) or default

    def names(self, name: str, *, default: list[str]) -> list[str]:
        """Read words between commas."""
        words = [word.strip() for word in (self.given(name) or "").split(",")]
        return [word for word in words if word] or default

    def host_names(self, name: str, *, default: list[str], is_required: bool) -> list[str]:
        """Read the host names that requests may be addressed to; `*` and a missing value only in development."""
        hosts = self.names(name, default=default)
        if is_required and self.given(name) is None:
            self.fail(name, "is missing: the host names of this service, between commas")
        if is_required and "*" in hosts:
            self.fail(name, '"*" would accept any host name: name those of this service')
        return hosts

    def url(self, name: str, *, default: str) -> str:
        """Read an http(s) address without a path."""
        text = (self.given(name) or default).rstrip("/")
        parts = urlsplit(text)
        if parts.scheme not in ("http", "https") or not parts.hostname or parts.path or parts.query:
            self.fail(name, f'"{text}" is not an address such as https://questions.example.com')
            return default
        return text

    def secret(self, name: str, *, min_length: int, made_in: Path | None) -> str:
        """Read a secret; in development (`made_in` given) a missing one is made and kept there."""
        text = self.given_or_file(name)
        if text is None:
            return self._made_or_missing(name, made_in=made_in, make=new_secret)
        self._check_strength(name, text, min_length=min_length, is_strict=made_in is None)
        return text

    def secrets(self, name: str, *, min_length: int, is_strict: bool) -> list[str]:
        """Read secrets between commas; none is fine."""
        found = [part.strip() for part in (self.given_or_file(name) or "").split(",")]
        found = [secret for secret in found if secret]
        for secret in found:
            self._check_strength(name, secret, min_length=min_length, is_strict=is_strict)
        return found

    def encryption_keys(self, name: str, *, made_in: Path | None) -> dict[str, bytes]:
        """Read `kid:base64` pairs between commas, newest first, as key id → 32 bytes."""
        text = self.given_or_file(name)
        if text is None:
            text = self._made_or_missing(name, made_in=made_in, make=new_encryption_key)
        keys: dict[str, bytes] = {}
        for pair in filter(None, (part.strip() for part in text.split(","))):
            kid, _, encoded = pair.partition(":")
            key = _decoded(encoded)
            if not kid.isalnum() or kid in keys or key is None or len(set(key)) < N_DISTINCT_CHARACTERS:
                self.fail(
                    name, f"is not `id:base64` pairs of {ENCRYPTION_KEY_BYTES} random bytes with distinct ids"
                )
                return {}
            keys[kid] = key
        return keys

    def _made_or_missing(self, name: str, *, made_in: Path | None, make: Callable[[], str]) -> str:
        if made_in is None:
            self.fail(name, f"is missing: set it or {name}_FILE (only development makes its own)")
            return ""
        try:
            return made_secret(name, state_dir=made_in, make=make)
        except (OSError, ValueError) as error:
            self.fail(name, f"cannot be kept in {made_in} ({error})")
            return ""

    def _check_strength(self, name: str, text: str, *, min_length: int, is_strict: bool) -> None:
        is_weak = len(text) < min_length or len(set(text)) < N_DISTINCT_CHARACTERS or "insecure" in text
        if is_strict and is_weak:
            self.fail(name, f"is weak: {min_length} random characters or more are needed")

    def parsed(self, parse: Callable[[Mapping[str, str]], dict[str, Value]]) -> dict[str, Value]:
        """Let another part read its own variables; its ValueError becomes a line of the message."""
        try:
            return parse(self.source)
        except ValueError as error:
            self.errors += str(error).splitlines()
            return {}

    def database(self, name: str, *, default_path: Path, pool_size: int) -> dict[str, Any]:
        """Read a PostgreSQL or SQLite address as Django's settings; `pool_size` 0 means no pool."""
        text = self.given_or_file(name)
        if text is None:
            return sqlite_settings(default_path)
        scheme = text.partition("://")[0]
        if scheme not in ("postgres", "postgresql", "sqlite"):
            self.fail(name, "is neither a postgres:// nor a sqlite:// address")
            return {}
        try:
            config: dict[str, Any] = dict(environ.Env.db_url_config(text))
        except ValueError as error:
            self.fail(name, f"cannot be read ({error})")
            return {}
        if scheme == "sqlite":
            return sqlite_settings(Path(config["NAME"]))
        if not config["NAME"]:
            self.fail(name, "names no database, as in postgres://user:password@host:5432/database")
        return postgresql_settings(config, pool_size=pool_size)

    def redis(self, name: str, *, state_dir: Path) -> str:
        """Read the address of Redis; without one it is the embedded server's socket."""
        text = self.given_or_file(name)
        if text is None:
            return f"unix://{socket_path_for(state_dir)}?db=0"
        if urlsplit(text).scheme not in ("redis", "rediss", "unix"):
            self.fail(name, "is no redis://, rediss:// or unix:// address")
        return text

    def redis_is_embedded(self, name: str) -> bool:
        """Say whether the embedded server is used, that is, whether no address was given."""
        return self.given(name) is None and self.given(f"{name}_FILE") is None


def _decoded(text: str) -> bytes | None:
    try:
        key = base64.b64decode(text, validate=True)
    except (binascii.Error, ValueError):
        return None
    return key if len(key) == ENCRYPTION_KEY_BYTES else None


def socket_path_for(state_dir: Path) -> Path:
    """Return the embedded server's socket, the same for every process that shares the state directory.

    It stands in the temporary folder because a socket's path may have about 100 bytes; XDG_RUNTIME_DIR
    would do as well, but it goes away at logout, under a stack that runs on in a terminal multiplexer.
    """
    digest = hashlib.sha256(str(state_dir).encode()).hexdigest()[:12]
    return Path(tempfile.gettempdir()) / f"domainprocessor-{os.getuid()}" / digest / "redis.sock"


def sqlite_settings(path: Path) -> dict[str, Any]:
    """Return the settings that let several processes write one SQLite file without lock errors."""
    return {
        "ENGINE": "django.db.backends.sqlite3",
        "NAME": str(path),
        "OPTIONS": {
            "transaction_mode": "IMMEDIATE",
            "timeout": SQLITE_TIMEOUT_S,
            "init_command": SQLITE_INIT,
        },
        # A file, so that processes started by tests see the same database.
        "TEST": {"NAME": str(path.with_name(f"test-{path.name}"))},
    }


def postgresql_settings(config: dict[str, Any], *, pool_size: int) -> dict[str, Any]:
    """Return the settings of a PostgreSQL database.

    The pool serves the web process, where a connection per request costs 13 times as much; workers fork,
    and a pool does not survive that.
    """
    options: dict[str, Any] = {"connect_timeout": 10, **config.get("OPTIONS", {})}
    if pool_size:
        options["pool"] = {"min_size": 1, "max_size": pool_size, "timeout": 10}
    return {
        **config,
        "ENGINE": "django.db.backends.postgresql",
        "OPTIONS": options,
        "CONN_HEALTH_CHECKS": True,
        "CONN_MAX_AGE": 0,
        "DISABLE_SERVER_SIDE_CURSORS": True,  # keyset pages are used, and poolers in between would break them
    }
