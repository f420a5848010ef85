"""Reads the provider variables (`OPENAI_API_KEY`, `OPENAI_MODEL` …) out of an environment that is handed in.

The settings call it before Django is ready, so there is no Django here. Which prefixes exist is catalogue
data; what the values change in the database stands in `catalogue.py` and `services/environment_keys.py`.
"""

import re
import tomllib
from collections.abc import Mapping
from dataclasses import dataclass, field
from functools import cache
from pathlib import Path
from typing import Any
from urllib.parse import urlsplit

from providers.rules.secret import Secret

CATALOGUE_PATH = Path(__file__).with_name("catalogue.toml")
MAX_KEYS = 20  # OPENAI_API_KEY, then _2 to _20
_SENDABLE = re.compile(r"[\x21-\x7e]{1,4096}")  # what a header can carry


@dataclass(frozen=True, slots=True)
class ProviderSettings:
    """What the environment says of one provider, None where nothing. `keys`: variable name → secret."""

    keys: dict[str, Secret] = field(default_factory=dict)
    model: str | None = None
    base_url: str | None = None
    rpm: int | None = None
    tpm: int | None = None
    max_in_flight: int | None = None


@cache
def catalogue_entries() -> tuple[dict[str, Any], ...]:
    """Return the providers of `catalogue.toml` as plain data, in the order of the file."""
    return tuple(tomllib.loads(CATALOGUE_PATH.read_text("utf-8"))["providers"])


def provider_settings(source: Mapping[str, str]) -> dict[str, ProviderSettings]:
    """Return the settings of every catalogue provider, by its environment prefix.

    Raises ValueError with one line for each wrong variable; values never stand in the message.
    """
    reader = _Reader(source)
    found = {
        entry["env_prefix"]: _settings_for(
            reader, prefix=entry["env_prefix"], aliases=entry.get("env_keys", [])
        )
        for entry in catalogue_entries()
    }
    if reader.errors:
        raise ValueError("\n".join(reader.errors))
    return found


def _settings_for(reader: "_Reader", *, prefix: str, aliases: list[str]) -> ProviderSettings:
    keys = {}
    for name in reader.key_names(prefix, aliases):
        if secret := reader.secret(name):
            keys[name] = secret
    return ProviderSettings(
        keys=keys,
        model=reader.text(f"{prefix}_MODEL"),
        base_url=reader.base_url(f"{prefix}_BASE_URL"),
        rpm=reader.amount(f"{prefix}_RPM"),
        tpm=reader.amount(f"{prefix}_TPM"),
        max_in_flight=reader.amount(f"{prefix}_MAX_IN_FLIGHT"),
    )


class _Reader:
    """Reads single variables and collects what is wrong with them. An empty value counts as not set."""

    def __init__(self, source: Mapping[str, str]) -> None:
        self._source = source
        self.errors: list[str] = []

    def key_names(self, prefix: str, aliases: list[str]) -> list[str]:
        """Return the names of a provider's key variables that are set, the plain one first."""
        names = list(dict.fromkeys([f"{prefix}_API_KEY", *aliases]))
        numbered = re.compile(rf"{prefix}_API_KEY_?(\d+)(?:_FILE)?")
        numbers: dict[int, list[str]] = {}
        for variable in self._source:
            if match := numbered.fullmatch(variable):
                numbers.setdefault(int(match[1]), []).append(variable.removesuffix("_FILE"))
        for number in sorted(numbers):
            if 1 <= number <= MAX_KEYS:
                names += sorted(set(numbers[number]))
            else:
                self.errors.append(f"{numbers[number][0]}: keys are numbered 2 to {MAX_KEYS}.")
        return names

    def text(self, name: str) -> str | None:
        text = self._source.get(name, "").strip()
        if len(text) > 120 or not text.isprintable():
            self.errors.append(f"{name}: at most 120 printable characters.")
            return None
        return text or None

    def amount(self, name: str) -> int | None:
        text = self._source.get(name, "").strip()
        if not text:
            return None
        if not re.fullmatch(r"[0-9]{1,12}", text) or int(text) < 1:
            self.errors.append(f"{name}: a whole number of at least 1 is needed.")
            return None
        return int(text)

    def base_url(self, name: str) -> str | None:
        text = self._source.get(name, "").strip().rstrip("/")
        if not text:
            return None
        if not is_base_url(text):
            self.errors.append(
                f"{name}: an address like https://host/v1 is needed, without user name or query."
            )
            return None
        return text

    def secret(self, name: str) -> Secret | None:
        text = self._source.get(name, "").strip()
        path = self._source.get(f"{name}_FILE", "").strip()
        if text and path:
            self.errors.append(f"{name}: {name}_FILE is set too; keep one of them.")
            return None
        if path:
            text = self._file_text(f"{name}_FILE", path)
        if text and not _SENDABLE.fullmatch(text):
            self.errors.append(f"{name}: a key has no spaces, line breaks or other than ASCII characters.")
            return None
        return Secret(text) if text else None

    def _file_text(self, name: str, path: str) -> str:
        try:
            text = Path(path).read_text("utf-8").strip()
        except (OSError, UnicodeDecodeError) as error:
            self.errors.append(f"{name}: the file cannot be read ({type(error).__name__}).")
            return ""
        if not text:
            self.errors.append(f"{name}: the file is empty.")
        return text


def is_base_url(text: str) -> bool:
    """Return whether `text` is an http(s) address that a request path can be added to."""
    try:
        parts = urlsplit(text)
        _ = parts.port  # raises on a port that is none
    except ValueError:
        return False
    is_plain = not (parts.username or parts.password or parts.query or parts.fragment)
    return (
        parts.scheme in ("http", "https") and bool(parts.hostname) and is_plain and not re.search(r"\s", text)
    )
