"""Removes secrets from messages before they are logged, stored or shown."""

import re
from collections.abc import Iterable
from dataclasses import replace
from urllib.parse import quote

from providers.protocols.base import Failure
from providers.rules.secret import Secret
from providers.rules.text import clean_text

MASK = "****"
MAX_MESSAGE_LENGTH = 300
_MIN_SECRET_LENGTH = 4  # a shorter one would mask ordinary words

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


def without_secret(failure: Failure, secret: Secret | None) -> Failure:
    """Return the failure without the key of its own call, which a server may quote and no pattern may know."""
    if secret is None:
        return failure
    message, code = (redact(text, secrets=(secret,)) for text in (failure.message, failure.code))
    return replace(failure, message=message, code=code)
