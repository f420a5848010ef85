"""How long a provider asked us to wait, in every form in which providers say it.

Forms seen (provider documentation, 2026-11-24): `retry-after-ms`; `Retry-After` as seconds, float or HTTP
date; reset headers as durations (`6m0s`, `20ms`), RFC 3339 instants, epoch seconds or milliseconds; a field of
the body (`34.07s`); words in the message, where quotas name a date ("regain access on 2026-12-01 at 00:00 UTC").
"""

import math
import re
from datetime import UTC, datetime, time, timedelta
from email.utils import parsedate_to_datetime
from zoneinfo import ZoneInfo, ZoneInfoNotFoundError

WAIT_CAP_S = 3600.0  # asking again once an hour costs nothing; a wrong date must not stop a pool for days
_NUMBER = re.compile(r"[0-9]{1,15}(?:\.[0-9]{1,9})?")
_DURATION = re.compile(r"(?:[0-9]{1,9}(?:\.[0-9]{1,9})?(?:ms|us|µs|ns|d|h|m|s))+")
_DURATION_PART = re.compile(r"([0-9.]+)(ms|us|µs|ns|d|h|m|s)")
_IN_WORDS = re.compile(
    r"(?:try again|retry|wait|available)\D{0,20}?((?:[0-9]+(?:\.[0-9]+)?(?:ms|h|m|s))+)\b"
    r"|(?:try again|retry|wait)\D{0,20}?([0-9]+(?:\.[0-9]+)?)\s*(?:s|sec|seconds?)\b",
    re.IGNORECASE,
)
_MONTHS = "Jan|Feb|Mar|Apr|May|Jun|Jul|Aug|Sep|Oct|Nov|Dec"
_DATE_IN_WORDS = re.compile(
    r"(?:regain|again|resets?|renews?|until|available|after|retry)\b[^.]{0,60}?\b"
    rf"(?:(\d{{4}}-\d{{2}}-\d{{2}})|((?:{_MONTHS})[a-z]*\.? \d{{1,2}},? \d{{4}}))"
    r"(?:(?:,? at |,? |T)(\d{2}:\d{2}))?",
    re.IGNORECASE,
)
_UNITS_S = {"d": 86400.0, "h": 3600.0, "m": 60.0, "s": 1.0, "ms": 1e-3, "us": 1e-6, "µs": 1e-6, "ns": 1e-9}
_EPOCH_MS_FROM = 1e11
_EPOCH_S_FROM = 1e9


def retry_after_s(
    headers: dict[str, str],
    *,
    message: str = "",
    told: str = "",
    now: datetime | None = None,
    cap_s: float = WAIT_CAP_S,
    heeds_resets: bool = True,
) -> float | None:
    """Return the wait that was asked for, between 0 and `cap_s`, None when nothing readable was said.

    In this order: `retry-after` headers (lower-case names), `told` (a field of the body), reset headers, a date
    or a duration in the message. Some providers send reset headers with every answer, so they are left alone
    (`heeds_resets`) where no limit was hit. `now` defaults to the answer's own `Date`, else to our clock.
    """
    now = now or answered_at(headers)
    wait_s = _milliseconds(headers.get("retry-after-ms", ""))
    if wait_s is None:
        wait_s = wait_from_text(headers.get("retry-after", ""), now=now)
    if wait_s is None:
        wait_s = wait_from_text(told, now=now)
    if wait_s is None:
        wait_s = _reset_s(headers, now) if heeds_resets else None
    if wait_s is None:
        wait_s = _date_in_words(message, now)
    if wait_s is None:
        wait_s = _wait_in_words(message)
    return None if wait_s is None else min(max(wait_s, 0.0), cap_s)


def answered_at(headers: dict[str, str]) -> datetime:
    """Return when the answer was written by the provider's own clock, else by ours."""
    return _http_date(headers.get("date", "")) or datetime.now(UTC)


def until_midnight_s(zone: str, *, now: datetime) -> float:
    """Return the seconds until the next midnight in a time zone, where daily quotas begin anew.

    Worked example: at 2026-11-24 12:00 UTC it is 04:00 in `America/Los_Angeles` → 20 h = 72,000 s.
    """
    try:
        local = now.astimezone(ZoneInfo(zone))
    except (ZoneInfoNotFoundError, ValueError):
        return 86_400.0  # a machine without time zones, or a mistyped one: a day is always enough
    midnight = datetime.combine(local.date() + timedelta(days=1), time(), tzinfo=local.tzinfo)
    return (midnight.astimezone(UTC) - now).total_seconds()


def wait_from_text(text: str, *, now: datetime) -> float | None:
    """Return the seconds from `now` that one header value means, None when it cannot be read.

    Worked example: `"1m2.5s"` → 62.5; `"20"` → 20.0; epoch milliseconds of now + 3 s → 3.0.
    """
    text = text.strip()
    if _NUMBER.fullmatch(text):
        return _from_number(float(text), now)
    if _DURATION.fullmatch(text):
        return sum(float(number) * _UNITS_S[unit] for number, unit in _duration_parts(text))
    instant = _rfc3339(text) or _http_date(text)
    return None if instant is None else (instant - now).total_seconds()


def _duration_parts(text: str) -> list[tuple[str, str]]:
    return [(number, unit) for number, unit in _DURATION_PART.findall(text)]


def _from_number(number: float, now: datetime) -> float:
    if number >= _EPOCH_MS_FROM:
        return number / 1000 - now.timestamp()
    return number - now.timestamp() if number >= _EPOCH_S_FROM else number


def _milliseconds(text: str) -> float | None:
    text = text.strip()
    return float(text) / 1000 if _NUMBER.fullmatch(text) else None


def _reset_s(headers: dict[str, str], now: datetime) -> float | None:
    """Return the wait of the reset headers: the longest among what is used up, else the shortest known."""
    used_up, known = [], []
    for name, value in headers.items():
        if "ratelimit" not in name or "reset" not in name:
            continue
        wait_s = wait_from_text(value, now=now)
        if wait_s is None or not math.isfinite(wait_s):
            continue
        known.append(wait_s)
        if headers.get(name.replace("reset", "remaining"), "").strip() in ("0", "0.0"):
            used_up.append(wait_s)
    if used_up:
        return max(used_up)
    return min(known) if known else None


def _date_in_words(message: str, now: datetime) -> float | None:
    """Return the seconds until a date that the message names, taken as UTC."""
    match = _DATE_IN_WORDS.search(message[:2000])
    if match is None:
        return None
    date = match[1] or " ".join(match[2].replace(",", " ").replace(".", " ").split())
    form = "%Y-%m-%d" if match[1] else "%b %d %Y"
    if not match[1]:
        month, day, year = date.split()
        date = f"{month[:3]} {day} {year}"
    try:
        instant = datetime.strptime(f"{date} {match[3] or '00:00'}", f"{form} %H:%M").replace(tzinfo=UTC)
    except ValueError:
        return None
    return (instant - now).total_seconds()


def _wait_in_words(message: str) -> float | None:
    match = _IN_WORDS.search(message[:2000])
    if match is None:
        return None
    if match[2]:
        return float(match[2][:15])
    return sum(
        float(number[:15]) * _UNITS_S[unit.lower()] for number, unit in _duration_parts(match[1].lower())
    )


def _rfc3339(text: str) -> datetime | None:
    if not re.match(r"\d{4}-\d{2}-\d{2}[Tt ]", text):
        return None
    try:
        instant = datetime.fromisoformat(text)
    except ValueError:
        return None
    return instant if instant.tzinfo else instant.replace(tzinfo=UTC)


def _http_date(text: str) -> datetime | None:
    if len(text) < 20 or not re.search(r"[A-Za-z]", text):
        return None
    try:
        instant = parsedate_to_datetime(text)
    except (ValueError, TypeError, IndexError, OverflowError):
        return None
    return instant if instant.tzinfo else instant.replace(tzinfo=UTC)
