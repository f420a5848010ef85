"""Reads the limits that providers tell in the headers of their answers, to be shown beside the configured ones.

Every style is read whoever sent it, since the names tell them apart. Only where one name means different things
(`…-limit-requests` per minute or per day) a quirk says so: `request_limit_per_s`, in seconds. What is done with
a limit is decided elsewhere. Sources: the providers' rate limit pages, seen 2026-11-24.
"""

import math
import re
from collections.abc import Mapping
from dataclasses import dataclass
from datetime import datetime
from typing import Any

from providers.rules.waits import answered_at, wait_from_text

MINUTE_S, DAY_S, MONTH_S = 60, 86_400, 30 * 86_400
_MAX_AMOUNT = 10**15
_KINDS = ("limit", "remaining", "reset")


@dataclass(frozen=True, slots=True)
class LearnedLimit:
    """`amount` of `what` per `per_s` seconds, as the provider counts it.

    `what`: `requests`, `tokens`, `input_tokens` or `output_tokens`. `per_s` None: the provider does not say.
    `remaining` of it are left, and in `reset_s` it is whole again; None where not said.
    """

    what: str
    amount: int
    per_s: int | None
    remaining: int | None = None
    reset_s: float | None = None


# header name with {} for limit, remaining, reset → what, and seconds of the window
_STYLES: tuple[tuple[str, str, int | None], ...] = (
    ("anthropic-ratelimit-requests-{}", "requests", MINUTE_S),
    ("anthropic-ratelimit-tokens-{}", "tokens", MINUTE_S),
    ("anthropic-ratelimit-input-tokens-{}", "input_tokens", MINUTE_S),
    ("anthropic-ratelimit-output-tokens-{}", "output_tokens", MINUTE_S),
    ("x-ratelimit-{}-requests", "requests", MINUTE_S),
    ("x-ratelimit-{}-tokens", "tokens", MINUTE_S),
    ("x-ratelimit-{}-req-minute", "requests", MINUTE_S),
    ("x-ratelimit-{}-tokens-minute", "tokens", MINUTE_S),
    ("x-ratelimit-{}-tokens-month", "tokens", MONTH_S),
    ("x-ratelimit-{}", "requests", None),
)
_OVER_REQUESTS = "x-ratelimit-{}-requests"


def learned_limits(
    headers: Mapping[str, str], quirks: Mapping[str, Any] | None = None, *, now: datetime | None = None
) -> list[LearnedLimit]:
    """Return the limits in these headers (lower-case names), none when there are none; never raises.

    Worked example: `x-ratelimit-limit-tokens: 8000`, `…-remaining-tokens: 7900`, `…-reset-tokens: 750ms` →
    `LearnedLimit("tokens", 8000, 60, remaining=7900, reset_s=0.75)`.
    """
    if not any("ratelimit" in name for name in headers):
        return []
    now = now or answered_at(dict(headers))
    found = (_limit(headers, style, quirks or {}, now) for style in _STYLES)
    return [limit for limit in found if limit]


def _limit(
    headers: Mapping[str, str], style: tuple[str, str, int | None], quirks: Mapping[str, Any], now: datetime
) -> LearnedLimit | None:
    pattern, what, per_s = style
    amount_text, remaining_text, reset_text = (headers.get(pattern.format(kind), "") for kind in _KINDS)
    amount = _amount(amount_text)
    if not amount:
        return None
    reset_s = wait_from_text(reset_text, now=now)
    if pattern == _OVER_REQUESTS:
        per_s = quirks.get("request_limit_per_s", per_s)
    return LearnedLimit(
        what=what,
        amount=amount,
        per_s=per_s,
        remaining=_amount(remaining_text),
        reset_s=max(reset_s, 0.0) if reset_s is not None and math.isfinite(reset_s) else None,
    )


def _amount(text: str) -> int | None:
    """Return a count, written `500` or, with its windows behind it, `500, 500;w=60`."""
    match = re.match(r"\s*([0-9]{1,16})(?:\.0+)?\s*(?:[,;]|$)", text, re.ASCII)
    amount = int(match[1]) if match else None
    return amount if amount is not None and amount < _MAX_AMOUNT else None
