"""The providers' own words: error bodies, rate headers and side pages, filled in for one call.

The texts are data, in `dialects.toml`; which of them a call meets is decided elsewhere.
"""

import json
import re
import tomllib
from dataclasses import dataclass
from datetime import UTC, datetime, timedelta
from email.utils import format_datetime
from functools import cache
from math import ceil
from pathlib import Path
from typing import Any

from providers.protocols.base import Outcome
from providers.simulator.faults import ERROR_KINDS
from providers.simulator.rate_headers import duration
from providers.simulator.window import NS_PER_S

DIALECTS_PATH = Path(__file__).with_name("dialects.toml")
HINTS = ("retry-after", "retry-after-float", "retry-after-ms", "http-date", "resets", "retry-info", "message")
JSON_TYPE = "application/json"
_SLOT = re.compile(r"\$([a-z_0-9]+)")


@dataclass(frozen=True, slots=True)
class ErrorEntry:
    """One kind of error as a provider words it. `hints` None: as the provider usually does."""

    status: int
    body: str
    outcome: Outcome
    content_type: str = JSON_TYPE
    hints: tuple[str, ...] | None = None


@dataclass(frozen=True, slots=True)
class Dialect:
    """A provider's words. `pages`: bodies of its side pages by path; `public`: those that ask for no key."""

    errors: dict[str, ErrorEntry]
    pages: dict[str, str]
    public: tuple[str, ...]
    rate_headers: str
    header_windows: dict[str, list[int]]
    hints: tuple[str, ...]
    refuses: tuple[str, ...]
    required_fields: tuple[str, ...]
    required_headers: tuple[str, ...]
    request_id_header: str
    manner: dict[str, str]


@cache
def dialect_for(provider: str) -> Dialect:
    """Return the words of a catalogue provider, those of the plain format when it has none of its own."""
    tables = _tables()
    own = tables.get(provider, {"extends": "openai"})
    base = tables.get(own.get("extends", ""), {})
    merged = {**base, **own}
    errors = {**base.get("errors", {}), **own.get("errors", {})}
    return Dialect(
        errors={kind: _entry(kind, values) for kind, values in errors.items()},
        pages=own.get("pages", {}),
        public=tuple(own.get("public", ())),
        rate_headers=merged["rate_headers"],
        header_windows=merged.get("header_windows", {}),
        hints=tuple(merged["hints"]),
        refuses=tuple(merged.get("refuses", ())),
        required_fields=tuple(own.get("required_fields", ())),
        required_headers=tuple(own.get("required_headers", ())),
        request_id_header=merged["request_id_header"],
        manner=own.get("manner", {}),
    )


@cache
def error_kinds() -> tuple[str, ...]:
    """Return every kind of error that some provider has, the common ones first."""
    special = {kind for table in _tables().values() for kind in table["errors"]} - ERROR_KINDS.keys()
    return (*ERROR_KINDS, *sorted(special - {"blocked", "error_in_200"}))


@cache
def _tables() -> dict[str, dict[str, Any]]:
    return tomllib.loads(DIALECTS_PATH.read_text("utf-8"))


def _entry(kind: str, values: dict[str, Any]) -> ErrorEntry:
    return ErrorEntry(
        status=values["status"],
        body=values["body"],
        outcome=Outcome(values["outcome"]) if "outcome" in values else ERROR_KINDS[kind],
        content_type=values.get("type", JSON_TYPE),
        hints=tuple(values["hints"]) if "hints" in values else None,
    )


def filled(template: str, values: dict[str, Any]) -> str:
    """Return the template with its slots filled; texts are escaped for JSON, unknown slots stay."""

    def value_of(match: re.Match[str]) -> str:
        value = values.get(match[1])
        return match[0] if value is None else json.dumps(str(value))[1:-1]

    return _SLOT.sub(value_of, template.replace("$retry_info", values.get("retry_info", "")))


def wait_words(hints: tuple[str, ...], wait_s: float) -> dict[str, str]:
    """Return the slots of a body that say how long to wait.

    Worked example: with "message" and 2.5 s the hint is " Please try again in 2.5s."
    """
    info = f',{{"@type":"type.googleapis.com/google.rpc.RetryInfo","retryDelay":"{wait_s:.3f}s"}}'
    return {
        "hint": f" Please try again in {duration(round(wait_s * NS_PER_S))}." if "message" in hints else "",
        "retry_info": info if "retry-info" in hints else "",
    }


def wait_headers(hints: tuple[str, ...], wait_s: float, *, now: datetime) -> dict[str, str]:
    """Return the headers that say how long to wait; whole seconds are rounded up."""
    headers = {}
    if "retry-after" in hints:
        headers["retry-after"] = str(ceil(wait_s))
    if "retry-after-float" in hints:
        headers["retry-after"] = f"{wait_s:.3f}"
    if "http-date" in hints:
        until = (now + timedelta(seconds=wait_s + 0.999)).replace(microsecond=0)
        headers["retry-after"] = format_datetime(until.astimezone(UTC), usegmt=True)
    if "retry-after-ms" in hints:
        headers["retry-after-ms"] = str(ceil(wait_s * 1000))
    return headers
