"""The headers in which providers say what is left of their limits, each in its own form.

Sources: the providers' rate limit pages, seen 2026-11-24. How long to wait after a 429 stands in `dialects.py`.
"""

from collections.abc import Callable, Mapping, Sequence
from datetime import datetime, timedelta

from providers.simulator.admission import Standing
from providers.simulator.window import NS_PER_S

_DAY_S = 86_400


def rate_headers(
    style: str, standings: list[Standing], *, now: datetime, is_refused: bool = False,
    windows: Mapping[str, Sequence[float]] | None = None,
) -> dict[str, str]:  # fmt: skip
    """Return the headers of a provider's style for what is left of its limits, none when it has none.

    `windows`: seconds, by what is counted, of the limits that the headers are about; empty: all of them.
    """
    make = _STYLES.get(style)
    if windows:
        standings = [one for one in standings if one.limit.per_s in windows.get(one.limit.what, ())]
    return make(standings, now, is_refused) if make and standings else {}


def duration(ns: int) -> str:
    """Return a duration as reset headers write it, rounded up to milliseconds: `20ms`, `7.66s`, `6m0s`, `1h0m2s`."""
    ms = -(-ns // 1_000_000)
    if ms < 1000:
        return f"{ms}ms"
    minutes, rest_ms = divmod(ms, 60_000)
    hours, minutes = divmod(minutes, 60)
    text = f"{rest_ms / 1000:g}s"
    return f"{hours}h{minutes}m{text}" if hours else f"{minutes}m{text}" if minutes else text


def _tightest(standings: list[Standing]) -> dict[str, Standing]:
    """Return for each thing counted the limit of which least is left, as a share."""
    found: dict[str, Standing] = {}
    for one in standings:
        known = found.get(one.limit.what)
        if known is None or one.n_left / one.limit.amount < known.n_left / known.limit.amount:
            found[one.limit.what] = one
    return found


def _durations(standings: list[Standing], _now: datetime, _is_refused: bool) -> dict[str, str]:
    headers = {}
    for what, one in _tightest(standings).items():
        if what in ("requests", "tokens"):
            headers[f"x-ratelimit-limit-{what}"] = str(one.limit.amount)
            headers[f"x-ratelimit-remaining-{what}"] = str(one.n_left)
            headers[f"x-ratelimit-reset-{what}"] = duration(one.reset_ns)
    return headers


def _instants(standings: list[Standing], now: datetime, _is_refused: bool) -> dict[str, str]:
    headers = {}
    for what, one in _tightest(standings).items():
        name = what.replace("_", "-")
        reset_at = now + timedelta(seconds=one.reset_ns / NS_PER_S + 1)  # rounded up: it is told in seconds
        headers[f"anthropic-ratelimit-{name}-limit"] = str(one.limit.amount)
        headers[f"anthropic-ratelimit-{name}-remaining"] = str(one.n_left)
        headers[f"anthropic-ratelimit-{name}-reset"] = reset_at.isoformat(timespec="seconds").replace(
            "+00:00", "Z"
        )
    return headers


def _per_minute(standings: list[Standing], _now: datetime, _is_refused: bool) -> dict[str, str]:
    headers = {}
    for one in standings:
        what = {"requests": "req", "tokens": "tokens"}.get(one.limit.what)
        if what:
            span = "month" if one.limit.per_s > _DAY_S else "minute"
            headers[f"x-ratelimit-limit-{what}-{span}"] = str(one.limit.amount)
            headers[f"x-ratelimit-remaining-{what}-{span}"] = str(one.n_left)
    return headers


def _epoch(standings: list[Standing], now: datetime, is_refused: bool) -> dict[str, str]:
    one = _tightest(standings).get("requests")
    if one is None or not is_refused:
        return {}
    reset_at = now + timedelta(seconds=one.reset_ns / NS_PER_S)
    return {
        "x-ratelimit-limit": str(one.limit.amount),
        "x-ratelimit-remaining": str(one.n_left),
        "x-ratelimit-reset": str(round(reset_at.timestamp() * 1000)),
    }


_STYLES: dict[str, Callable[[list[Standing], datetime, bool], dict[str, str]]] = {
    "durations": _durations,
    "instants": _instants,
    "per_minute": _per_minute,
    "epoch": _epoch,
}
