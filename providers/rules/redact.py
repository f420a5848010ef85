"""Removes secrets from messages before they are logged, stored or shown."""

import re
from collections.abc import Iterable
from dataclasses import replace
from typing import Any, TypeVar
from urllib.parse import quote

from providers.protocols.base import Failure, Reply
from providers.rules.secret import Secret
from providers.rules.text import clean_text

MASK = "****"
MAX_MESSAGE_LENGTH = 300
_MIN_SECRET_LENGTH = 4  # a shorter one would mask ordinary words
_MIN_CUT_LENGTH = 6  # of the beginning of a key that was cut
_QUOTING_FIELDS: dict[type, tuple[str, ...]] = {
    Failure: ("message", "code", "refused_field", "request_id"),
    Reply: ("text", "served_model", "finish_reason", "request_id", "citations"),
}
_Said = TypeVar("_Said", bound=Reply | Failure)

# What keys look like where we do not know the key itself: a provider may quote the one it refused.
_PATTERNS = (
    (re.compile(r"(?i)\b(bearer|basic|api-key)\s+[^\s\"',;]{6,}"), rf"\1 {MASK}"),
    (re.compile(r"\b(?:sk|gsk|csk|rk|pk|xai|pplx|hf|tgp|r8)[-_][\w\-*.]{6,}"), MASK),
    (re.compile(r"\b(?:AIza|AQ\.)[\w\-*.]{6,}"), MASK),
    (
        re.compile(
            r"(?i)\b((?:api[ _-]?key|token|secret)(?: provided)?[\"']?\s*[:=]\s*[\"']?)[^\s\"',;]{6,}"
        ),
        rf"\1{MASK}",
    ),
    (re.compile(r"//[^/\s@]+@"), f"//{MASK}@"),
    (re.compile(r"\b(?=[A-Za-z0-9]*[A-Z])(?=[A-Za-z0-9]*[a-z])(?=[A-Za-z0-9]*\d)[A-Za-z0-9]{32,}\b"), MASK),
    (re.compile(r"\b[0-9a-f]{32,}\b"), MASK),
)


def redact(text: object, *, secrets: Iterable[Secret] = (), max_length: int = MAX_MESSAGE_LENGTH) -> str:
    """Return `text` in one short line, without `secrets` and without what looks like a key."""
    message = clean_text(text, max_length=20_000)
    for secret in secrets:
        plain = secret.reveal()
        if len(plain) >= _MIN_SECRET_LENGTH:
            message = message.replace(plain, MASK).replace(quote(plain, safe=""), MASK)
    for pattern, mask in _PATTERNS:
        message = pattern.sub(mask, message)
    message = " ".join(message.split())
    return message if len(message) <= max_length else message[: max_length - 1] + "…"


def without_secret(said: _Said, secret: Secret | None) -> _Said:
    """Return a reply or failure without the key of its own call, which a server may quote anywhere, unlike any pattern.

    A key of which a cut left only the beginning is masked as well.
    """
    if secret is None or len(secret.reveal()) < _MIN_SECRET_LENGTH:
        return said
    plain = secret.reveal()
    masked = {
        name: shown
        for name in _QUOTING_FIELDS[type(said)]
        if (shown := _masked(value := getattr(said, name), plain)) != value
    }
    return replace(said, **masked) if masked else said


def _masked(value: Any, plain: str) -> Any:
    if isinstance(value, list):
        return [_masked(one, plain) for one in value]
    if isinstance(value, dict):
        return {_masked(name, plain): _masked(one, plain) for name, one in value.items()}
    if not isinstance(value, str):
        return value
    shown = value.replace(plain, MASK).replace(quote(plain, safe=""), MASK)
    cut = shown.removesuffix("…")
    start = cut.rfind(plain[:_MIN_CUT_LENGTH], -len(plain))
    is_cut = start >= 0 and plain.startswith(cut[start:])
    return f"{cut[:start]}{MASK}" if is_cut else shown
