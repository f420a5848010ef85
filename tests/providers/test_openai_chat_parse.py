"""The contract of `parse` over recorded bodies: each file in `recordings/openai_chat/` stands in a table below."""

from decimal import Decimal
from pathlib import Path
from typing import Any

import pytest

from providers.protocols import protocol_for
from providers.protocols.base import Failure, Outcome, Reply
from tests.providers.targets import make_target

RECORDINGS = Path(__file__).parent / "recordings" / "openai_chat"
PROVIDERS = ("openai", "deepseek", "mistral", "xai", "together", "groq", "openrouter", "ai21")
LOCAL = ("local", "llamacpp", "vllm")

# file → outcome and text
REPLIES: dict[str, tuple[Outcome, str | None]] = {
    "ok.json": (Outcome.ANSWERED, "Nike sells sports shoes and clothing."),
    "ok_usage_missing.json": (Outcome.ANSWERED, "Yes."),
    "ok_usage_null.json": (Outcome.ANSWERED, "Yes."),
    "ok_unknown_finish_reason.json": (Outcome.ANSWERED, "Yes."),
    "ok_nul_and_surrogate.json": (Outcome.ANSWERED, "ABC"),
    "empty.json": (Outcome.EMPTY, None),
    "empty_white_space.json": (Outcome.EMPTY, None),
    "empty_null_content.json": (Outcome.EMPTY, None),
    "empty_tool_calls.json": (Outcome.EMPTY, None),
    "empty_message_missing.json": (Outcome.EMPTY, None),
    "refused.json": (Outcome.REFUSED, "I can't help with that."),
    "blocked_content_filter.json": (Outcome.BLOCKED, None),
    "truncated.json": (Outcome.TRUNCATED, "Nike is a company that"),
    "truncated_and_empty.json": (Outcome.EMPTY, None),
    "deepseek_ok.json": (Outcome.ANSWERED, "A shop."),
    "mistral_list_content.json": (Outcome.ANSWERED, "A shop for shoes."),
    "mistral_model_length.json": (Outcome.TRUNCATED, "A shop that"),
    "xai_ok.json": (Outcome.ANSWERED, "A shop."),
    "together_ok_eos.json": (Outcome.ANSWERED, "A shop."),
    "openrouter_ok.json": (Outcome.ANSWERED, "A shop."),
    "local_think.json": (Outcome.ANSWERED, "Shoes."),
    "local_think_unclosed.json": (Outcome.EMPTY, None),
    "local_think_end_only.json": (Outcome.ANSWERED, "Shoes."),
    "llamacpp_ok.json": (Outcome.ANSWERED, None),  # a real reply, seen 2026-11-24
    "llamacpp_truncated.json": (Outcome.TRUNCATED, "Nike.com is a global mobile"),
    "blank_lines_first.json": (Outcome.ANSWERED, "A shop."),
}

# file, status, headers → outcome and what else the failure says
FAILURES: list[tuple[str, int, dict[str, str], Outcome, dict[str, Any]]] = [
    ("openai_401_bad_key.json", 401, {}, Outcome.KEY_INVALID, {"code": "invalid_api_key"}),
    ("openai_403_country.json", 403, {}, Outcome.PERMISSION, {}),
    ("openai_404_unknown_model.json", 404, {}, Outcome.MODEL_UNKNOWN, {"code": "model_not_found"}),
    ("openai_400_temperature.json", 400, {}, Outcome.BAD_REQUEST, {"refused_field": "temperature"}),
    ("openai_400_temperature_no_code.json", 400, {}, Outcome.BAD_REQUEST, {"refused_field": "temperature"}),
    ("openai_400_max_tokens.json", 400, {}, Outcome.BAD_REQUEST, {"refused_field": "max_tokens"}),
    ("openai_400_reasoning_effort.json", 400, {}, Outcome.BAD_REQUEST, {"refused_field": "reasoning_effort"}),
    ("openai_400_too_long.json", 400, {}, Outcome.TOO_LONG, {"refused_field": ""}),
    ("openai_400_content_policy.json", 400, {}, Outcome.BLOCKED, {}),
    ("openai_400_bad_request.json", 400, {}, Outcome.BAD_REQUEST, {"refused_field": ""}),
    ("openai_429_no_credit.json", 429, {"retry-after": "9"}, Outcome.QUOTA_EXHAUSTED, {"retry_after_s": None}),
    ("openai_429_spend_limit.json", 429, {}, Outcome.QUOTA_EXHAUSTED, {"retry_after_s": None}),
    ("openai_429_requests.json", 429, {}, Outcome.RATE_LIMITED, {"retry_after_s": 0.12}),
    (
        "openai_429_requests.json",
        429,
        {"retry-after-ms": "20000", "retry-after": "7"},
        Outcome.RATE_LIMITED,
        {"retry_after_s": 20.0},
    ),
    ("openai_429_requests.json", 429, {"retry-after": "1.5"}, Outcome.RATE_LIMITED, {"retry_after_s": 1.5}),
    (
        "openai_429_requests.json",
        429,
        {"date": "Tue, 24 Nov 2026 12:00:00 GMT", "retry-after": "Tue, 24 Nov 2026 12:00:30 GMT"},
        Outcome.RATE_LIMITED,
        {"retry_after_s": 30.0},
    ),
    (
        "openai_429_requests.json",
        429,
        {
            "x-ratelimit-remaining-requests": "0", "x-ratelimit-reset-requests": "6m0s",
            "x-ratelimit-remaining-tokens": "9", "x-ratelimit-reset-tokens": "20ms",
        },
        Outcome.RATE_LIMITED,
        {"retry_after_s": 360.0},
    ),
    ("openai_429_slow_down.json", 429, {}, Outcome.RATE_LIMITED, {}),
    ("openai_429_request_too_large.json", 429, {}, Outcome.TOO_LONG, {}),
    ("openai_500.json", 500, {}, Outcome.OVERLOADED, {"code": "server_error"}),
    ("openai_503_overloaded.json", 503, {"retry-after": "3"}, Outcome.OVERLOADED, {"retry_after_s": 3.0}),
    ("deepseek_gave_up.json", 200, {}, Outcome.OVERLOADED, {"code": "insufficient_system_resource"}),
    ("deepseek_401.json", 401, {}, Outcome.KEY_INVALID, {}),
    ("deepseek_402_no_credit.json", 402, {}, Outcome.QUOTA_EXHAUSTED, {}),
    ("deepseek_400_unknown_model.json", 400, {}, Outcome.MODEL_UNKNOWN, {}),
    ("mistral_401.json", 401, {}, Outcome.KEY_INVALID, {"message": "Unauthorized"}),
    ("mistral_400_invalid_model.json", 400, {}, Outcome.MODEL_UNKNOWN, {}),
    ("mistral_422.json", 422, {}, Outcome.BAD_REQUEST, {"refused_field": "max_completion_tokens"}),
    ("mistral_422_detail_list.json", 422, {}, Outcome.BAD_REQUEST, {"message": "body.messages: field required"}),
    ("mistral_429_rate.json", 429, {}, Outcome.RATE_LIMITED, {}),
    ("mistral_429_capacity.json", 429, {}, Outcome.OVERLOADED, {}),
    ("mistral_402.json", 402, {}, Outcome.QUOTA_EXHAUSTED, {"message": "Payment required"}),
    ("xai_400_bad_key.json", 400, {}, Outcome.KEY_INVALID, {}),
    ("xai_403_no_credit.json", 403, {}, Outcome.QUOTA_EXHAUSTED, {}),
    ("xai_429_no_credit.json", 429, {}, Outcome.QUOTA_EXHAUSTED, {}),
    ("xai_404_unknown_model.json", 404, {}, Outcome.MODEL_UNKNOWN, {}),
    ("together_403_context.json", 403, {}, Outcome.TOO_LONG, {}),
    ("together_503.json", 503, {}, Outcome.OVERLOADED, {}),
    ("groq_413_too_large.json", 413, {}, Outcome.TOO_LONG, {}),
    ("groq_498_flex.json", 498, {}, Outcome.OVERLOADED, {}),
    ("groq_429.json", 429, {}, Outcome.RATE_LIMITED, {"retry_after_s": 86.4}),
    ("groq_400_decommissioned.json", 400, {}, Outcome.MODEL_UNKNOWN, {}),
    ("openrouter_200_error.json", 200, {}, Outcome.OVERLOADED, {"http_status": 502}),
    ("openrouter_200_choice_error.json", 200, {}, Outcome.RATE_LIMITED, {"retry_after_s": 7.0}),
    ("openrouter_402.json", 402, {}, Outcome.QUOTA_EXHAUSTED, {"code": "402"}),
    ("openrouter_402_in_flight.json", 402, {"retry-after": "2"}, Outcome.RATE_LIMITED, {"retry_after_s": 2.0}),
    ("openrouter_403_key_budget.json", 403, {}, Outcome.QUOTA_EXHAUSTED, {}),
    ("openrouter_403_moderation.json", 403, {}, Outcome.BLOCKED, {}),
    ("vllm_400_too_long.json", 400, {}, Outcome.TOO_LONG, {}),
    ("vllm_401.json", 401, {}, Outcome.KEY_INVALID, {"message": "Unauthorized"}),
    ("vllm_404.json", 404, {}, Outcome.MODEL_UNKNOWN, {}),
    ("llamacpp_400_context.json", 400, {}, Outcome.TOO_LONG, {"code": "exceed_context_size_error"}),
    ("llamacpp_400_context.json", 500, {}, Outcome.TOO_LONG, {}),  # also seen with this status
    ("llamacpp_400_bad_messages.json", 400, {}, Outcome.BAD_REQUEST, {"refused_field": ""}),
    ("llamacpp_503_loading.json", 503, {}, Outcome.OVERLOADED, {}),
    ("ai21_detail.json", 403, {}, Outcome.PERMISSION, {"message": "Forbidden"}),
    ("choices_empty.json", 200, {}, Outcome.MALFORMED, {}),
]  # fmt: skip


def parsed(name: str, *, status: int = 200, headers: dict[str, str] | None = None) -> Reply | Failure:
    """Parse a recording for the provider that its name begins with."""
    prefix = name.partition("_")[0]
    provider = prefix if prefix in PROVIDERS else "openai-compatible" if prefix in LOCAL else "openai"
    body = (RECORDINGS / name).read_bytes()
    return protocol_for("openai_chat").parse(make_target(provider), status, headers or {}, body)


@pytest.mark.parametrize("name", REPLIES)
def test_reply_recorded(name: str) -> None:
    outcome, text = REPLIES[name]

    reply = parsed(name)

    assert isinstance(reply, Reply)
    assert reply.outcome is outcome
    assert text is None or reply.text == text
    assert (reply.text is None) is (outcome in (Outcome.EMPTY, Outcome.BLOCKED))


@pytest.mark.parametrize(("name", "status", "headers", "outcome", "said"), FAILURES)
def test_failure_recorded(
    name: str, status: int, headers: dict[str, str], outcome: Outcome, said: dict[str, Any]
) -> None:
    failure = parsed(name, status=status, headers=headers)

    assert isinstance(failure, Failure)
    assert failure.outcome is outcome
    assert {field: getattr(failure, field) for field in said} == said
    assert failure.message


def test_every_recording_is_in_a_table() -> None:
    named = {*REPLIES, *(name for name, *_ in FAILURES)}

    assert {path.name for path in RECORDINGS.iterdir()} == named


def test_reply_counts_tokens() -> None:
    reply = parsed("ok.json", headers={"x-request-id": "req_1"})

    assert reply == Reply(
        outcome=Outcome.ANSWERED,
        text="Nike sells sports shoes and clothing.",
        served_model="gpt-6-luna-2026-10-02",
        finish_reason="stop",
        input_tokens=31,
        output_tokens=12,
        reasoning_tokens=4,
        cached_tokens=16,
        request_id="chatcmpl-Cq1",
        http_status=200,
    )


@pytest.mark.parametrize(
    ("name", "counts"),
    [
        ("ok_usage_missing.json", (None, None, None, None)),
        ("ok_usage_null.json", (None, None, None, None)),
        ("deepseek_ok.json", (40, 30, 25, 32)),
        ("xai_ok.json", (20, 110, 100, 5)),  # its completion tokens leave the reasoning out
        ("truncated_and_empty.json", (31, 120, 120, None)),
    ],
)
def test_tokens_of_providers(name: str, counts: tuple[int | None, ...]) -> None:
    reply = parsed(name)

    assert isinstance(reply, Reply)
    assert (reply.input_tokens, reply.output_tokens, reply.reasoning_tokens, reply.cached_tokens) == counts


@pytest.mark.parametrize(
    ("name", "cost_usd"),
    [("openrouter_ok.json", "0.00000700"), ("xai_ok.json", "0.00123450"), ("ok.json", None)],
)
def test_cost_the_provider_reports(name: str, cost_usd: str | None) -> None:
    reply = parsed(name)

    assert isinstance(reply, Reply)
    assert reply.cost_usd == (None if cost_usd is None else Decimal(cost_usd))


def test_truncated_and_empty_keeps_its_reason() -> None:
    reply = parsed("truncated_and_empty.json")

    assert isinstance(reply, Reply)
    assert reply.finish_reason == "length"


def test_message_never_holds_the_key() -> None:
    failure = parsed("openai_401_bad_key.json", status=401)

    assert isinstance(failure, Failure)
    assert "abcd" not in failure.message
