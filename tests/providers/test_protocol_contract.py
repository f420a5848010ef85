"""The contract that every wire format keeps, over recorded bodies of each and over anything else at all.

A recording named `429_rate.json` (or `openai_429_requests.json`) came with that status, others with 200.
"""

import json
import re
from pathlib import Path
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from providers.protocols import protocol_for
from providers.protocols.base import Failure, Outcome, Reply
from tests.providers.targets import make_target

RECORDINGS = Path(__file__).parent / "recordings"
PROVIDER_OF = {
    "openai_chat": "openai",
    "openai_responses": "perplexity",
    "anthropic": "anthropic",
    "gemini": "gemini",
    "cohere": "cohere",
}
PROTOCOLS = tuple(PROVIDER_OF)

# what every format has a recording of → the recording of each format, in the order above; "" where it has none
CASES: dict[str, tuple[Outcome, tuple[str, str, str, str, str]]] = {
    "ok": (Outcome.ANSWERED, ("ok", "ok", "ok", "ok", "ok")),
    "no usage": (Outcome.ANSWERED, ("ok_usage_missing",) * 5),
    "unknown reason": (
        Outcome.ANSWERED,
        ("ok_unknown_finish_reason", "ok_unknown_status", "ok_unknown_stop_reason", "ok_unknown_reason",
         "ok_unknown_reason"),
    ),
    "empty": (Outcome.EMPTY, ("empty",) * 5),
    "only a tool call": (
        Outcome.EMPTY,
        ("empty_tool_calls", "empty_requires_action", "empty_tool_use", "empty_tool_call", "empty_tool_call"),
    ),
    "truncated": (Outcome.TRUNCATED, ("truncated",) * 5),
    "truncated before any text": (Outcome.EMPTY, ("truncated_and_empty",) * 5),
    "refused": (Outcome.REFUSED, ("refused", "refused", "refused", "", "")),
    "blocked": (Outcome.BLOCKED, ("blocked_content_filter", "blocked", "", "blocked", "498_blocked")),
    "gave up": (
        Outcome.OVERLOADED,
        ("", "200_failed_no_error", "pause_turn", "gave_up", "gave_up_timeout"),
    ),
    "error in 200": (
        Outcome.OVERLOADED, ("openrouter_200_error", "200_failed", "200_error", "200_error", "200_error"),
    ),
    "bad key": (
        Outcome.KEY_INVALID,
        ("openai_401_bad_key", "401_bad_key", "401_bad_key", "400_bad_key", "401_bad_key"),
    ),
    "no credit": (
        Outcome.QUOTA_EXHAUSTED,
        ("openai_429_no_credit", "401_no_credit", "402_no_credit", "429_no_credit", "402_no_credit"),
    ),
    "no permission": (
        Outcome.PERMISSION,
        ("openai_403_country", "403_permission", "403_permission", "403_api_disabled", "403_permission"),
    ),
    "unknown model": (
        Outcome.MODEL_UNKNOWN,
        ("openai_404_unknown_model", "404_unknown_model", "404_unknown_model", "404_unknown_model",
         "404_unknown_model"),
    ),
    "too long": (
        Outcome.TOO_LONG,
        ("openai_400_too_long", "400_too_long", "400_too_long", "400_too_long", "400_too_long"),
    ),
    "rate": (Outcome.RATE_LIMITED, ("openai_429_requests", "429_rate", "429_rate", "429_rate", "429_rate")),
    "server error": (
        Outcome.OVERLOADED,
        ("openai_500", "500_internal", "500_api_error", "500_internal", "500_internal"),
    ),
}  # fmt: skip
RECORDED = [
    pytest.param(protocol, name, outcome, id=f"{protocol}-{case.replace(' ', '_')}")
    for case, (outcome, names) in CASES.items()
    for protocol, name in zip(PROTOCOLS, names, strict=True)
    if name
]

# what is no answer in any format: file, status → outcome
ANY = [
    ("error_in_list.json", 500, Outcome.OVERLOADED),
    ("error_in_list.json", 200, Outcome.OVERLOADED),
    ("gateway_502.html", 502, Outcome.OVERLOADED),
    ("gateway_502.html", 200, Outcome.MALFORMED),
    ("gateway_502.html", 429, Outcome.RATE_LIMITED),
    ("cut.json", 200, Outcome.MALFORMED),
    ("string.json", 200, Outcome.MALFORMED),
    ("string.json", 503, Outcome.OVERLOADED),
    ("list.json", 200, Outcome.MALFORMED),
    ("list.json", 400, Outcome.BAD_REQUEST),
    ("number.json", 200, Outcome.MALFORMED),
    ("nothing.txt", 200, Outcome.MALFORMED),
    ("nothing.txt", 204, Outcome.MALFORMED),
    ("nothing.txt", 302, Outcome.MALFORMED),
    ("nothing.txt", 400, Outcome.BAD_REQUEST),
    ("nothing.txt", 401, Outcome.KEY_INVALID),
    ("nothing.txt", 402, Outcome.QUOTA_EXHAUSTED),
    ("nothing.txt", 403, Outcome.PERMISSION),
    ("nothing.txt", 404, Outcome.MODEL_UNKNOWN),
    ("nothing.txt", 413, Outcome.TOO_LONG),
    ("nothing.txt", 429, Outcome.RATE_LIMITED),
    ("nothing.txt", 500, Outcome.OVERLOADED),
    ("nothing.txt", 529, Outcome.OVERLOADED),
    ("words.txt", 503, Outcome.OVERLOADED),
]


def status_of(name: str) -> int:
    """Return the status that a recording came with, as its name says."""
    found = re.search(r"(?:^|_)(\d{3})(?:_|$)", name.partition(".")[0])
    return int(found[1]) if found else 200


def parsed(
    protocol: str, name: str, *, headers: dict[str, str] | None = None, **target: Any
) -> Reply | Failure:
    """Parse a recording for the provider that its name begins with, else for the format's own."""
    provider = "openrouter" if name.startswith("openrouter") else PROVIDER_OF[protocol]
    body = (RECORDINGS / protocol / f"{name}.json").read_bytes()
    return protocol_for(protocol).parse(make_target(provider, **target), status_of(name), headers or {}, body)


@pytest.mark.parametrize(("protocol", "name", "outcome"), RECORDED)
def test_recorded_case(protocol: str, name: str, outcome: Outcome) -> None:
    result = parsed(protocol, name)

    assert result.outcome is outcome
    if isinstance(result, Reply):
        assert (result.text is None) is (outcome in (Outcome.EMPTY, Outcome.BLOCKED))
    else:
        assert result.message


@pytest.mark.parametrize("protocol", PROTOCOLS)
def test_ok_says_all_there_is_to_say(protocol: str) -> None:
    reply = parsed(protocol, "ok", headers={"request-id": "req_1"})

    assert isinstance(reply, Reply)
    assert reply.text == "Nike sells sports shoes and clothing."
    assert reply.finish_reason
    assert reply.request_id
    assert reply.served_model or protocol == "cohere"  # its answers name no model
    assert reply.input_tokens
    assert reply.output_tokens
    assert reply.cached_tokens is not None or protocol == "gemini"  # counts of 0 are left out


@pytest.mark.parametrize("protocol", PROTOCOLS)
def test_without_usage_counts_are_unknown(protocol: str) -> None:
    reply = parsed(protocol, "ok_usage_missing")

    assert isinstance(reply, Reply)
    assert (reply.input_tokens, reply.output_tokens, reply.reasoning_tokens, reply.cached_tokens) == (
        None,
    ) * 4
    assert reply.cost_usd is None


@pytest.mark.parametrize("protocol", PROTOCOLS)
@pytest.mark.parametrize(
    ("headers", "wait_s"),
    [
        ({"retry-after-ms": "20000", "retry-after": "7"}, 20.0),
        ({"retry-after": "7"}, 7.0),
        ({"retry-after": "1.5"}, 1.5),
        ({"date": "Tue, 24 Nov 2026 12:00:00 GMT", "retry-after": "Tue, 24 Nov 2026 12:00:30 GMT"}, 30.0),
        ({"retry-after": "604800"}, 3600.0),
    ],
)
def test_wait_in_headers_is_honoured(protocol: str, headers: dict[str, str], wait_s: float) -> None:
    name = "openai_429_requests" if protocol == "openai_chat" else "429_rate"

    result = parsed(protocol, name, headers=headers)

    assert isinstance(result, Failure)
    assert result.retry_after_s == wait_s


@pytest.mark.parametrize("protocol", PROTOCOLS)
@pytest.mark.parametrize(("name", "status", "outcome"), ANY)
def test_what_is_no_answer(protocol: str, name: str, status: int, outcome: Outcome) -> None:
    body = (RECORDINGS / "any" / name).read_bytes()

    result = protocol_for(protocol).parse(make_target(PROVIDER_OF[protocol]), status, {}, body)

    assert isinstance(result, Failure)
    assert result.outcome is outcome
    assert result.message


@pytest.mark.parametrize("protocol", PROTOCOLS)
def test_answer_cut_anywhere_is_malformed(protocol: str) -> None:
    body = (RECORDINGS / protocol / "ok.json").read_bytes().rstrip()
    results = [
        protocol_for(protocol).parse(make_target(PROVIDER_OF[protocol]), 200, {}, body[:n])
        for n in range(len(body))
    ]

    assert {result.outcome for result in results} == {Outcome.MALFORMED}


def test_a_proxys_page_proves_nothing_of_a_key_except_where_it_is_known_to() -> None:
    body = (RECORDINGS / "any" / "proxy_401.html").read_bytes()

    outcomes = {
        protocol: protocol_for(protocol).parse(make_target(provider), 401, {}, body).outcome
        for protocol, provider in PROVIDER_OF.items()
    }

    assert {name for name, outcome in outcomes.items() if outcome is Outcome.KEY_INVALID} == {
        "openai_responses"
    }
    assert set(outcomes.values()) == {Outcome.KEY_INVALID, Outcome.PERMISSION}


json_values = st.recursive(
    st.none() | st.booleans() | st.integers() | st.floats() | st.text(),
    lambda inner: st.lists(inner, max_size=3) | st.dictionaries(st.text(max_size=8), inner, max_size=3),
    max_leaves=12,
)
KNOWN_NAMES = [
    "choices", "message", "content", "usage", "error", "code", "finish_reason", "prompt_tokens", "detail",
    "loc", "type", "text", "output", "results", "annotations", "url", "url_citation", "status",
    "incomplete_details", "stop_reason", "stop_details", "citations", "candidates", "parts", "thought",
    "finishReason", "promptFeedback", "blockReason", "usageMetadata", "promptTokenCount", "details",
    "retryDelay", "violations", "quotaId", "fieldViolations", "field", "description", "metadata", "headers",
    "billed_units", "tokens", "input_tokens", "cost",
]  # fmt: skip
KNOWN_WORDS = [
    "text", "output_text", "message", "failed", "MAX_TOKENS", "refusal", "search_results", "34.07s", "STOP",
]  # fmt: skip
answer_shapes = st.recursive(
    json_values | st.sampled_from(KNOWN_WORDS),
    lambda inner: (
        st.lists(inner, max_size=2) | st.dictionaries(st.sampled_from(KNOWN_NAMES), inner, max_size=6)
    ),
    max_leaves=16,
)


@given(protocol=st.sampled_from(PROTOCOLS), body=st.binary(max_size=300), status=st.integers(100, 599))
def test_parse_takes_any_bytes(protocol: str, body: bytes, status: int) -> None:
    target = make_target(PROVIDER_OF[protocol])

    assert isinstance(protocol_for(protocol).parse(target, status, {}, body), Reply | Failure)


@given(
    protocol=st.sampled_from(PROTOCOLS),
    decoded=answer_shapes,
    status=st.sampled_from([200, 204, 400, 401, 402, 403, 404, 422, 429, 500, 503]),
    headers=st.dictionaries(
        st.sampled_from(["retry-after", "retry-after-ms", "date", "x-ratelimit-reset-requests"]), st.text()
    ),
)
def test_parse_takes_any_json(protocol: str, decoded: Any, status: int, headers: dict[str, str]) -> None:
    target = make_target(PROVIDER_OF[protocol])

    result = protocol_for(protocol).parse(target, status, headers, json.dumps(decoded).encode())

    assert isinstance(result, Reply | Failure)
    assert getattr(result, "text", None) != ""


@given(data=st.data(), protocol=st.sampled_from(PROTOCOLS))
def test_parse_takes_answers_with_any_field_replaced(data: st.DataObject, protocol: str) -> None:
    decoded = json.loads((RECORDINGS / protocol / "ok.json").read_text())
    holder, key = data.draw(st.sampled_from(list(fields_of(decoded))))
    holder[key] = data.draw(json_values)

    result = protocol_for(protocol).parse(
        make_target(PROVIDER_OF[protocol]), 200, {}, json.dumps(decoded).encode()
    )

    assert isinstance(result, Reply | Failure)
    assert getattr(result, "text", None) != ""


def fields_of(value: Any) -> Any:
    """Yield each place inside `value` as its holder and key."""
    for key, inner in value.items() if isinstance(value, dict) else enumerate(value):
        yield value, key
        if isinstance(inner, dict | list):
            yield from fields_of(inner)


@pytest.mark.parametrize("protocol", PROTOCOLS)
def test_parse_survives_deep_nesting_and_huge_numbers(protocol: str) -> None:
    target = make_target(PROVIDER_OF[protocol])
    for body in (
        b"[" * 100_000,
        b'{"usage": ' + b"9" * 10_000 + b"}",
        b'{"choices": [{"message": {"content": "x"}}], "usage": {"prompt_tokens": 1e999}}',
    ):
        assert isinstance(protocol_for(protocol).parse(target, 200, {}, body), Reply | Failure)


@pytest.mark.parametrize("protocol", [name for name in PROTOCOLS if name != "openai_chat"])
def test_every_recording_is_parsed_by_a_test(protocol: str) -> None:
    tests = "".join(path.read_text() for path in Path(__file__).parent.glob("test_*.py"))
    files = sorted(path.stem for path in (RECORDINGS / protocol).iterdir())

    assert [name for name in files if f'"{name}"' not in tests] == []
