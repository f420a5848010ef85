"""What single wire formats say in their own way: parts, counts, reasons, sources, costs."""

from datetime import UTC, datetime
from decimal import Decimal
from typing import Any

import pytest
import time_machine

from providers.protocols.answer_fields import cost_at
from providers.protocols.base import Failure, Outcome, Reply
from tests.providers.test_protocol_contract import parsed

# protocol, recording → outcome and text
REPLIES = [
    ("anthropic", "ok_thinking_first", Outcome.ANSWERED, "A shop for shoes."),
    ("anthropic", "truncated_context", Outcome.TRUNCATED, "Nike is a company that"),
    ("anthropic", "refused", Outcome.REFUSED, "This request cannot be answered."),
    ("anthropic", "refused_with_text", Outcome.REFUSED, "I can't help with that."),
    ("gemini", "ok_thoughts", Outcome.ANSWERED, "A shop for shoes."),
    ("gemini", "truncated_continuation", Outcome.TRUNCATED, "Nike is a company that"),
    ("gemini", "blocked_answer", Outcome.BLOCKED, None),
    ("gemini", "empty_no_candidates", Outcome.EMPTY, None),
    ("cohere", "ok_thinking_first", Outcome.ANSWERED, "A shop for shoes."),
    ("openai_responses", "ok_two_messages", Outcome.ANSWERED, "A shop for shoes."),
    ("openai_responses", "truncated_no_reason", Outcome.TRUNCATED, "Nike is a company that"),
    ("openai_responses", "refused", Outcome.REFUSED, "I can't help with that."),
]

# protocol, recording → outcome and what else the failure says
FAILURES: list[tuple[str, str, Outcome, dict[str, Any]]] = [
    ("anthropic", "pause_turn", Outcome.OVERLOADED, {"code": "pause_turn"}),
    ("anthropic", "400_no_credit_old", Outcome.QUOTA_EXHAUSTED, {"retry_after_s": None}),
    ("anthropic", "413_too_large", Outcome.TOO_LONG, {"code": "request_too_large"}),
    ("anthropic", "429_spend_limit", Outcome.QUOTA_EXHAUSTED, {"code": "rate_limit_error"}),
    ("anthropic", "529_overloaded", Outcome.OVERLOADED, {"code": "overloaded_error", "http_status": 529}),
    ("anthropic", "200_error", Outcome.OVERLOADED, {"http_status": 200}),
    ("anthropic", "400_temperature", Outcome.BAD_REQUEST, {"refused_field": "temperature"}),
    ("anthropic", "400_thinking", Outcome.BAD_REQUEST, {"refused_field": "thinking"}),
    ("anthropic", "400_effort", Outcome.BAD_REQUEST, {"refused_field": "output_config"}),
    ("anthropic", "400_max_tokens", Outcome.BAD_REQUEST, {"refused_field": ""}),  # it cannot be left out
    ("gemini", "gave_up", Outcome.OVERLOADED, {"code": "OTHER"}),
    ("gemini", "400_key_expired", Outcome.KEY_INVALID, {"code": "invalid_argument"}),
    ("gemini", "400_region", Outcome.PERMISSION, {"code": "failed_precondition"}),
    ("gemini", "400_thinking_level", Outcome.BAD_REQUEST, {"refused_field": "thinking_config"}),
    ("gemini", "400_unknown_field", Outcome.BAD_REQUEST, {"refused_field": "thinking_config"}),
    ("gemini", "402_no_credit", Outcome.QUOTA_EXHAUSTED, {}),
    ("gemini", "403_leaked_key", Outcome.PERMISSION, {}),
    ("gemini", "429_rate", Outcome.RATE_LIMITED, {"retry_after_s": 34.07, "code": "resource_exhausted"}),
    ("gemini", "429_rate_no_details", Outcome.RATE_LIMITED, {"retry_after_s": None}),
    ("gemini", "503_overloaded", Outcome.OVERLOADED, {}),
    ("gemini", "504_deadline", Outcome.OVERLOADED, {}),
    ("gemini", "200_error", Outcome.OVERLOADED, {"http_status": 503}),
    ("cohere", "gave_up_error", Outcome.OVERLOADED, {"code": "ERROR"}),
    ("cohere", "400_temperature", Outcome.BAD_REQUEST, {"refused_field": "temperature"}),
    ("cohere", "400_thinking", Outcome.BAD_REQUEST, {"refused_field": "thinking"}),
    ("cohere", "422_unknown_field", Outcome.BAD_REQUEST, {"refused_field": "reasoning_effort"}),
    ("cohere", "429_trial_month", Outcome.QUOTA_EXHAUSTED, {}),
    ("openai_responses", "200_failed_rate", Outcome.RATE_LIMITED, {"code": "rate_limit_exceeded"}),
    ("openai_responses", "200_failed_bad_request", Outcome.BAD_REQUEST, {}),
    ("openai_responses", "400_bad_request", Outcome.BAD_REQUEST, {"refused_field": ""}),
    ("openai_responses", "400_unknown_model", Outcome.MODEL_UNKNOWN, {"code": "invalid_model"}),
    ("openai_responses", "200_cancelled", Outcome.OVERLOADED, {"http_status": 200}),
    ("openai_responses", "400_unknown_field", Outcome.BAD_REQUEST, {"refused_field": "tool_choice"}),
    ("openai_responses", "400_reasoning", Outcome.BAD_REQUEST, {"refused_field": "reasoning"}),
]

# protocol, recording → input, output, reasoning and cached tokens
COUNTS = [
    (
        "anthropic",
        "ok_thinking_first",
        (1110, 60, 45, 1000),
    ),  # its input leaves out what the cache took and gave
    ("anthropic", "truncated_and_empty", (25, 800, 800, None)),
    ("gemini", "ok_thoughts", (45, 102, 90, 16)),  # its candidates leave the thoughts out
    ("gemini", "truncated_and_empty", (9, 797, 797, None)),
    ("gemini", "empty", (9, 0, None, None)),
    ("cohere", "ok", (5, 9, None, 0)),  # as billed
    ("cohere", "ok_thinking_first", (71, 52, None, 64)),
    ("openai_responses", "ok", (1200, 60, None, 128)),
]


@pytest.mark.parametrize(("protocol", "name", "outcome", "text"), REPLIES)
def test_reply(protocol: str, name: str, outcome: Outcome, text: str | None) -> None:
    reply = parsed(protocol, name)

    assert isinstance(reply, Reply)
    assert (reply.outcome, reply.text) == (outcome, text)


@pytest.mark.parametrize(("protocol", "name", "outcome", "said"), FAILURES)
def test_failure(protocol: str, name: str, outcome: Outcome, said: dict[str, Any]) -> None:
    failure = parsed(protocol, name)

    assert isinstance(failure, Failure)
    assert failure.outcome is outcome
    assert {field: getattr(failure, field) for field in said} == said


@pytest.mark.parametrize(("protocol", "name", "counts"), COUNTS)
def test_tokens(protocol: str, name: str, counts: tuple[int | None, ...]) -> None:
    reply = parsed(protocol, name)

    assert isinstance(reply, Reply)
    assert (reply.input_tokens, reply.output_tokens, reply.reasoning_tokens, reply.cached_tokens) == counts


def test_blocked_prompt_says_why() -> None:
    reply = parsed("gemini", "blocked")

    assert isinstance(reply, Reply)
    assert (reply.finish_reason, reply.served_model) == ("PROHIBITED_CONTENT", "gemini-3.5-flash-lite")


def test_perplexity_reports_its_cost_with_the_search() -> None:
    reply = parsed("openai_responses", "ok")

    assert isinstance(reply, Reply)
    assert reply.cost_usd == Decimal("0.00545000")


@pytest.mark.parametrize(
    ("value", "divisor", "cost_usd"),
    [
        (0.5, 1, Decimal("0.5")),
        ("0.25", 1, Decimal("0.25")),
        (5_000, 10_000, Decimal("0.5")),
        (0, 1, Decimal(0)),
        ("free", 1, None),
        (-1, 1, None),
        (1e300, 1, None),
        (True, 1, None),
        (None, 1, None),
        ({"usd": 1}, 1, None),
        (1, 0, None),
    ],
)
def test_cost_is_a_sane_number_or_unknown(value: object, divisor: int, cost_usd: Decimal | None) -> None:
    assert cost_at({"a": {"b": value}}, {"cost_path": "a.b", "cost_divisor": divisor}) == cost_usd


@pytest.mark.parametrize(
    ("protocol", "name", "sources"),
    [
        (
            "openai_responses",
            "ok",
            [
                {
                    "url": "https://nike.example/about", "title": "About Nike", "snippet": "Shoes and clothing.",
                    "date": "2026-11-02",
                },
                {"url": "https://news.example/nike", "title": "News", "snippet": "Sales rise."},
            ],
        ),
        (
            "anthropic",
            "ok_citations",
            [{"url": "https://nike.example/about", "title": "About", "snippet": "We sell shoes."}],
        ),
        (
            "openai_responses",
            "ok_fetched",
            [{"url": "https://nike.example/", "title": "Nike", "snippet": "Just do it."}],
        ),
        ("gemini", "ok_grounded", [{"url": "https://nike.example/about", "title": "nike.example"}]),
        ("openai_chat", "ok", None),
        ("cohere", "ok", None),
    ],
)  # fmt: skip
def test_citations(protocol: str, name: str, sources: list[dict[str, str]] | None) -> None:
    reply = parsed(protocol, name)

    assert isinstance(reply, Reply)
    assert reply.citations == sources


@time_machine.travel(datetime(2026, 11, 24, 12, 0, tzinfo=UTC), tick=False)
def test_quota_of_a_day_begins_anew_at_midnight_in_california() -> None:
    failure = parsed("gemini", "429_per_day")  # the body also names a wait of 58 s, for its limit per minute

    assert isinstance(failure, Failure)
    assert (failure.outcome, failure.retry_after_s) == (Outcome.QUOTA_EXHAUSTED, 20 * 3600)


@pytest.mark.parametrize(("day", "wait_s"), [(24, 86_400.0), (30, 12 * 3600.0)])
def test_spend_limit_waits_for_the_date_that_it_names_and_tries_daily_until_then(
    day: int, wait_s: float
) -> None:
    with time_machine.travel(datetime(2026, 11, day, 12, 0, tzinfo=UTC), tick=False):
        failure = parsed("anthropic", "400_spend_limit")

    assert isinstance(failure, Failure)
    assert (failure.outcome, failure.retry_after_s) == (Outcome.QUOTA_EXHAUSTED, wait_s)


def test_reset_headers_count_only_where_a_limit_was_hit() -> None:
    headers = {
        "anthropic-ratelimit-requests-remaining": "49",
        "anthropic-ratelimit-requests-reset": "2026-11-24T12:00:01Z",
    }
    headers["date"] = "Tue, 24 Nov 2026 12:00:00 GMT"

    limited, overloaded = (
        parsed("anthropic", name, headers=headers) for name in ("429_rate", "529_overloaded")
    )

    assert isinstance(limited, Failure)
    assert isinstance(overloaded, Failure)
    assert (limited.retry_after_s, overloaded.retry_after_s) == (1.0, None)
