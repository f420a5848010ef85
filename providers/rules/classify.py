"""Says what a failed call means: by the codes in the body first, then by its words, then by the status.

What follows from an outcome is decided elsewhere. Differences of single providers come in as `quirks`, so no
provider is named here. Sources: the providers' error documentation, seen 2026-11-24.
"""

import re
from typing import Any

from providers.protocols.base import Failure, Outcome
from providers.rules.error_bodies import ErrorFacts
from providers.rules.redact import redact
from providers.rules.refused_fields import refused_field
from providers.rules.waits import WAIT_CAP_S, answered_at, retry_after_s, until_midnight_s

QUOTA_WAIT_CAP_S = 86_400.0  # a daily quota may be a day away; one that is further off is tried once a day
QUOTA_WAIT_FLOOR_S = 60.0  # less is the pace of a limiter: it brings no credit

_BY_CODE = {
    Outcome.KEY_INVALID: ("invalid_api_key", "api_key_invalid", "authentication_error"),
    Outcome.QUOTA_EXHAUSTED: (
        "insufficient_quota", "credit_balance_exhausted", "organization_spend_limit_exceeded",
        "project_spend_limit_exceeded", "organization_usage_limit_exceeded", "billing_hard_limit_reached",
        "billing_error", "payment_required", "insufficient_credits",
    ),
    Outcome.TOO_LONG: (
        "context_length_exceeded", "exceed_context_size_error", "request_too_large", "payload_too_large",
    ),
    Outcome.BLOCKED: ("content_policy_violation", "content_filter", "moderation_blocked"),
    Outcome.MODEL_UNKNOWN: (
        "model_not_found", "model_not_available", "model_decommissioned", "invalid_model", "1500",
    ),
    Outcome.PERMISSION: ("failed_precondition",),
    Outcome.OVERLOADED: ("server_is_overloaded", "overloaded_error", "unavailable_error"),
    Outcome.RATE_LIMITED: (
        "rate_limit_exceeded", "request_rate_limit_exceeded", "rate_limit_error", "slow_down", "1300",
    ),
}  # fmt: skip
_OUTCOME_OF_CODE = {code: outcome for outcome, codes in _BY_CODE.items() for code in codes}

_KEY_WORDS = re.compile(
    r"(?:incorrect|invalid|wrong|unknown|malformed|missing) (?:x-)?api[ _-]?(?:key|token)|api key not valid"
)
_LONG_WORDS = re.compile(
    r"maximum context length|prompt is too long|exceeds the maximum number of tokens|too many tokens"
    r"|exceeds the available context size|longer than the model's context|request too large"
    r"|context_length_exceeded"
)
_TOO_LARGE_WORDS = re.compile(
    r"request too large"
)  # larger than a whole minute's limit: waiting does not help
_MODEL_WORDS = re.compile(
    r"\bmodel\b.{0,160}?(?:not found|not exist|does not exist|not available|decommissioned|no longer|retired)"
    r"|(?:invalid|unknown|no such|not a valid) model"
)
_BUSY_WORDS = re.compile(r"capacity exceeded")  # the provider's own, not a limit of ours
_FLAGGED_WORDS = re.compile(r"moderation|flagged|content policy|usage guidelines")
_CREDIT_STATUSES = frozenset({400, 401, 402, 403, 429})
_LONG_STATUSES = frozenset({200, 400, 403, 404, 413, 422, 500, 502, 503})  # some servers send a wrong one
_NEVER_RIGHT_CODES = frozenset({"invalid_request_error", "invalid_request", "bad_request", "invalid_prompt"})
_BY_WORDS: tuple[tuple[Outcome, frozenset[int], re.Pattern[str]], ...] = (
    (Outcome.KEY_INVALID, frozenset({400, 401, 403}), _KEY_WORDS),
    (Outcome.TOO_LONG, _LONG_STATUSES, _LONG_WORDS),
    (Outcome.TOO_LONG, frozenset({429}), _TOO_LARGE_WORDS),
    (Outcome.MODEL_UNKNOWN, frozenset({400, 403, 404, 410, 422}), _MODEL_WORDS),
    (Outcome.OVERLOADED, frozenset({429}), _BUSY_WORDS),
    (Outcome.BLOCKED, frozenset({400, 403}), _FLAGGED_WORDS),
)

_BY_STATUS = {
    400: Outcome.BAD_REQUEST, 401: Outcome.KEY_INVALID, 402: Outcome.QUOTA_EXHAUSTED, 403: Outcome.PERMISSION,
    404: Outcome.MODEL_UNKNOWN, 408: Outcome.OVERLOADED, 409: Outcome.OVERLOADED, 410: Outcome.MODEL_UNKNOWN,
    413: Outcome.TOO_LONG, 424: Outcome.OVERLOADED, 425: Outcome.OVERLOADED, 429: Outcome.RATE_LIMITED,
    499: Outcome.OVERLOADED, 501: Outcome.BAD_REQUEST,
}  # fmt: skip


def failure_for(
    *, status: int, facts: ErrorFacts, headers: dict[str, str], quirks: dict[str, Any], request_id: str = ""
) -> Failure:
    """Return the typed failure of an answer with this status, header and error facts."""
    outcome = outcome_for(status=status, facts=facts, quirks=quirks)
    return Failure(
        outcome=outcome,
        message=redact(facts.message),
        http_status=status,
        code=redact(_code(facts), max_length=80),
        retry_after_s=_wait_s(outcome, facts=facts, headers=headers, quirks=quirks),
        refused_field=refused_field(facts) if outcome is Outcome.BAD_REQUEST else "",
        request_id=request_id,
    )


def outcome_for(*, status: int, facts: ErrorFacts, quirks: dict[str, Any]) -> Outcome:
    """Return what the answer means; the order is the rule, see the module."""
    return (
        _by_quirk_codes(facts, quirks)
        or _by_words(status, facts, quirks)
        or _by_code(facts)
        or _own_status(status, quirks)
        or _by_status(status, facts)
    )


def _code(facts: ErrorFacts) -> str:
    """Return the first code that says more than the status does."""
    telling = (code for code in facts.codes if not (code.isdecimal() and len(code) == 3))
    return next(telling, facts.codes[0] if facts.codes else "")


def _wait_s(
    outcome: Outcome, *, facts: ErrorFacts, headers: dict[str, str], quirks: dict[str, Any]
) -> float | None:
    """Return the wait that the answer asks for; that of a quota lasts until it begins anew."""
    if outcome is not Outcome.QUOTA_EXHAUSTED:
        return retry_after_s(
            {**facts.headers, **headers}, message=facts.message, told=facts.wait, cap_s=WAIT_CAP_S,
            heeds_resets=outcome is Outcome.RATE_LIMITED,
        )  # fmt: skip
    zone = quirks.get("daily_reset_zone", "")
    if zone and _has_marker(facts, quirks, "daily_quota_markers"):
        return min(until_midnight_s(zone, now=answered_at(headers)), QUOTA_WAIT_CAP_S)
    wait_s = retry_after_s(
        headers, message=facts.message, told=facts.wait, cap_s=QUOTA_WAIT_CAP_S, heeds_resets=False
    )
    return None if wait_s is None or wait_s < QUOTA_WAIT_FLOOR_S else wait_s


def _has_marker(facts: ErrorFacts, quirks: dict[str, Any], name: str) -> bool:
    return any(marker.lower() in facts.words for marker in quirks.get(name, ()))


def _by_quirk_codes(facts: ErrorFacts, quirks: dict[str, Any]) -> Outcome | None:
    return Outcome.RATE_LIMITED if _has_marker(facts, quirks, "retryable_codes") else None


def _by_words(status: int, facts: ErrorFacts, quirks: dict[str, Any]) -> Outcome | None:
    """Return what the wording proves: it goes before the general codes, which often say less."""
    words = facts.words
    if status in _CREDIT_STATUSES and _is_about_credit(status, facts, quirks):
        return Outcome.QUOTA_EXHAUSTED
    for outcome, statuses, wording in _BY_WORDS:
        if status in statuses and wording.search(words):
            is_about_a_field = facts.param not in ("", "model")
            if not (outcome is Outcome.MODEL_UNKNOWN and is_about_a_field):
                return outcome
    return None


def _is_about_credit(status: int, facts: ErrorFacts, quirks: dict[str, Any]) -> bool:
    has_marker = any(_has_marker(facts, quirks, name) for name in ("credit_markers", "daily_quota_markers"))
    has_quota_field = status == 403 and any(name in facts.fields for name in quirks.get("quota_fields", ()))
    return has_marker or has_quota_field


def _by_code(facts: ErrorFacts) -> Outcome | None:
    return next((_OUTCOME_OF_CODE[code] for code in facts.codes if code in _OUTCOME_OF_CODE), None)


def _own_status(status: int, quirks: dict[str, Any]) -> Outcome | None:
    named = quirks.get("status_outcomes", {}).get(str(status))
    return Outcome(named) if named else None


def _by_status(status: int, facts: ErrorFacts) -> Outcome:
    if status == 401 and facts.is_page:
        return Outcome.PERMISSION  # a proxy's page proves nothing about the key
    if status in _BY_STATUS:
        return _BY_STATUS[status]
    if 200 <= status < 300 and not _NEVER_RIGHT_CODES.isdisjoint(facts.codes):
        return Outcome.BAD_REQUEST
    if status >= 500 or 200 <= status < 300:
        return Outcome.OVERLOADED
    return Outcome.BAD_REQUEST if status >= 400 else Outcome.MALFORMED
