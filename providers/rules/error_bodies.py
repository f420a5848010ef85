"""Reads the facts out of an error body, whatever its shape. What they mean stands in `classify.py`.

Shapes seen (provider documentation and reports, 2026-11-24): `{"error": {…}}`, `{"error": "text", "code":
"text"}`, `{"object": "error", …}`, `{"message": …}`, `{"detail": "text"}`, `{"detail": [{loc, msg, type}]}`,
each of them in a list of one, a bare string, an HTML page of a proxy, nothing at all; with details that name
a wait (`retryDelay`), quotas (`quotaId`) or fields (`fieldViolations`), or hold the headers of an upstream.
"""

import json
import re
from collections.abc import Iterator
from dataclasses import dataclass, field
from typing import Any

from providers.rules.text import clean_text

MAX_RAW_LENGTH = 2000
_HTML = re.compile(r"\s*<(?:!doctype|html|head|body)\b", re.IGNORECASE)
_TITLE = re.compile(r"<title[^>]*>(.*?)</title>", re.IGNORECASE | re.DOTALL)
_CODE_NAMES = ("code", "type", "status", "error_type", "error_code", "reason", "provider_code", "quotaId")
_MAX_DEPTH = 6  # an error, its details, one of them, its violations, one of them


@dataclass(frozen=True, slots=True)
class ErrorFacts:
    """What an error body says. `codes` are lower case, outer ones first; `fields` are all names in it.

    `wait` is the wait that the body names, "" when it names none; `headers` are those of an upstream, quoted.
    """

    message: str
    codes: tuple[str, ...] = ()
    param: str = ""
    fields: frozenset[str] = frozenset()
    is_page: bool = False
    wait: str = ""
    headers: dict[str, str] = field(default_factory=dict)

    @property
    def words(self) -> str:
        """All of it in lower case, for the rules that go by wording."""
        return " ".join((*self.codes, self.message)).lower()


def json_body(body: bytes) -> Any:
    """Return the decoded JSON; raises ValueError for whatever is not JSON that we can hold."""
    try:
        return json.loads(body)
    except RecursionError as error:
        raise ValueError("nested too deeply") from error


def error_facts(body: bytes) -> ErrorFacts:
    """Return what `body` says about the error; never raises."""
    try:
        decoded = json_body(body)
    except ValueError:
        return _facts_of_text(body)
    return facts_of_json(decoded)


def facts_of_json(decoded: Any) -> ErrorFacts:
    """Return what a decoded error body says."""
    if isinstance(decoded, list) and decoded:
        decoded = decoded[0]
    if not isinstance(decoded, dict):
        return ErrorFacts(
            message=clean_text(decoded, max_length=MAX_RAW_LENGTH) or "an error without a message"
        )
    error = decoded.get("error")
    inner = error if isinstance(error, dict) else decoded
    message = error if isinstance(error, str) else _message(inner) or _message(decoded)
    parts = list(_dicts(inner)) + ([decoded] if inner is not decoded else [])
    codes = [clean_text(part.get(name), max_length=200).lower() for part in parts for name in _CODE_NAMES]
    return ErrorFacts(
        message=clean_text(message, max_length=MAX_RAW_LENGTH) or "an error without a message",
        codes=tuple(dict.fromkeys(code for code in codes if code)),
        param=clean_text(inner.get("param"), max_length=80) or _field_in_detail(decoded),
        fields=frozenset(str(name) for part in parts for name in part),
        wait=next(filter(None, (clean_text(part.get("retryDelay"), max_length=40) for part in parts)), ""),
        headers=_upstream_headers(inner),
    )


def _facts_of_text(body: bytes) -> ErrorFacts:
    text = clean_text(body[:20_000].decode("utf-8", "replace"))
    if not text.strip():
        return ErrorFacts(message="an empty body")
    if _HTML.match(text):
        title = _TITLE.search(text)
        named = f": {' '.join(title[1].split())[:120]}" if title else ""
        return ErrorFacts(message=f"an HTML page{named}", is_page=True)
    return ErrorFacts(message=text[:MAX_RAW_LENGTH])


def _message(part: dict[str, Any]) -> str:
    for name in ("message", "detail", "msg", "error_description"):
        value = part.get(name)
        if isinstance(value, str) and value.strip():
            return value
        if isinstance(value, (dict, list)) and value:
            return _nested_message(value)
    return ""


def _nested_message(value: dict[str, Any] | list[Any]) -> str:
    found = [
        ": ".join(filter(None, (_location(part), clean_text(part.get("msg") or part.get("message")))))
        for part in _dicts(value)
    ]
    return "; ".join(filter(None, found)) or clean_text(str(value)[:MAX_RAW_LENGTH])


def _location(part: dict[str, Any]) -> str:
    location = part.get("loc")
    return ".".join(clean_text(step) for step in location) if isinstance(location, list) else ""


def _field_in_detail(decoded: dict[str, Any]) -> str:
    """Return the field that a validator refused: the path in a violation, or the last step of the first `loc`."""
    for part in _dicts(decoded):
        if "description" in part and (path := clean_text(part.get("field"), max_length=200)):
            return path
        if location := _location(part):
            return location.rpartition(".")[2][:80]
    return ""


def _upstream_headers(error: dict[str, Any]) -> dict[str, str]:
    """Return the headers that a router quotes in `metadata.headers`, with names in lower case."""
    metadata = error.get("metadata")
    headers = metadata.get("headers") if isinstance(metadata, dict) else None
    if not isinstance(headers, dict):
        return {}
    return {
        str(name).lower(): clean_text(value, max_length=200) for name, value in list(headers.items())[:30]
    }


def _dicts(value: Any, *, depth: int = _MAX_DEPTH) -> Iterator[dict[str, Any]]:
    """Yield the objects inside `value`, outer ones first, no deeper than error bodies go."""
    if depth and isinstance(value, dict):
        yield value
        for inner in value.values():
            yield from _dicts(inner, depth=depth - 1)
    elif depth and isinstance(value, list):
        for inner in value[:20]:
            yield from _dicts(inner, depth=depth - 1)
