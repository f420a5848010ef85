"""Checks what a provider is said to do otherwise before it is stored, since staff may edit it as JSON.

What each quirk does stands in `Target` and where it is used.
"""

from collections.abc import Callable, Mapping
from typing import Any
from zoneinfo import ZoneInfo, ZoneInfoNotFoundError

from providers.protocols.base import Outcome


def quirk_errors(quirks: Any) -> list[str]:
    """Return what is wrong with a provider's quirks, in words for people; empty when all is well."""
    if not isinstance(quirks, Mapping):
        return ["Quirks are an object with names."]
    errors = []
    for name, value in quirks.items():
        if name not in _CHECKS:
            errors.append(f"There is no quirk {name!r}.")
        elif not _CHECKS[name][0](value):
            errors.append(f"{name} {_CHECKS[name][1]}.")
    return errors


def _is_list_of_texts(value: Any) -> bool:
    return isinstance(value, list) and all(isinstance(one, str) and one for one in value)


def _is_text(value: Any) -> bool:
    return isinstance(value, str)


def _is_flag(value: Any) -> bool:
    return isinstance(value, bool)


def _is_count(value: Any) -> bool:
    return isinstance(value, int) and not isinstance(value, bool) and value > 0


def _are_counts(value: Any) -> bool:
    return isinstance(value, Mapping) and all(map(_is_count, value.values()))


def _are_outcomes(value: Any) -> bool:
    known = set(Outcome)
    return isinstance(value, Mapping) and all(
        key.isdecimal() and outcome in known for key, outcome in value.items()
    )


def _is_zone(value: Any) -> bool:
    try:
        return isinstance(value, str) and ZoneInfo(value) is not None
    except (ZoneInfoNotFoundError, ValueError):
        return False


_TEXTS = (_is_list_of_texts, "is a list of texts")
_TEXT = (_is_text, "is a text")
_FLAG = (_is_flag, "is true or false")
_COUNT = (_is_count, "is a whole number above 0")
_CHECKS: dict[str, tuple[Callable[[Any], bool], str]] = {
    "credit_markers": _TEXTS,
    "quota_fields": _TEXTS,
    "retryable_codes": _TEXTS,
    "daily_quota_markers": _TEXTS,
    "daily_reset_zone": (_is_zone, "is the name of a time zone"),
    "status_outcomes": (_are_outcomes, "names an outcome for each status"),
    "request_limit_per_s": _COUNT,
    "cached_path": _TEXT,
    "cost_path": _TEXT,
    "cost_divisor": _COUNT,
    "reasoning_outside_output": _FLAG,
    "has_think_tags": _FLAG,
    "thinking_room_tokens": (_are_counts, "gives a whole number above 0 for each model"),
    "default_version_path": _TEXT,
}
