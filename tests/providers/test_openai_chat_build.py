"""What is sent in the chat completions format."""

import json
from typing import Any

import pytest

from providers.protocols import ProtocolNotBuilt, protocol_for, protocol_is_built
from providers.protocols.base import Ask
from providers.rules.secret import Secret
from tests.providers.targets import make_target

CHAT = protocol_for("openai_chat")
KEY = Secret("sk-test-0123456789")


def body_of(ask: Ask, **target: Any) -> dict[str, Any]:
    """Build for a target and decode what would be sent."""
    body: dict[str, Any] = json.loads(CHAT.build(ask, make_target(**target), KEY).body or b"")
    return body


def test_build_minimal() -> None:
    request = CHAT.build(Ask("What is nike.com?", 800, "Be brief."), make_target(), KEY)

    assert (request.method, request.url, request.timeout_s) == (
        "POST", "https://api.openai.com/v1/chat/completions", 60.0,
    )  # fmt: skip
    assert json.loads(request.body or b"") == {
        "model": "gpt-6-luna",
        "messages": [
            {"role": "system", "content": "Be brief."},
            {"role": "user", "content": "What is nike.com?"},
        ],
        "reasoning_effort": "none",
        "max_completion_tokens": 800,
    }


def test_key_is_only_in_one_header() -> None:
    request = CHAT.build(Ask("x", 10), make_target(), KEY)

    holders = [name for name, value in request.headers.items() if KEY.reveal() in value]
    assert holders == ["Authorization"]
    assert KEY.reveal() not in request.url + repr(request)
    assert KEY.reveal().encode() not in (request.body or b"")


def test_no_key_no_header() -> None:
    request = CHAT.build(Ask("x", 10), make_target("openai-compatible"), None)

    assert "Authorization" not in request.headers


@pytest.mark.parametrize(
    ("temperature", "accepts", "is_sent"), [(None, True, False), (0.2, True, True), (0.2, False, False)]
)
def test_temperature_only_when_asked_for_and_accepted(
    temperature: float | None, accepts: bool, is_sent: bool
) -> None:
    body = body_of(Ask("x", 10, temperature=temperature), accepts_temperature=accepts)

    assert ("temperature" in body) is is_sent


@pytest.mark.parametrize(
    ("refused", "cap"),
    [
        ((), {"max_completion_tokens": 10}),
        (("max_completion_tokens",), {"max_tokens": 10}),
        (("max_completion_tokens", "max_tokens"), {}),
    ],
)
def test_refused_cap_takes_the_other_name(refused: tuple[str, ...], cap: dict[str, int]) -> None:
    body = body_of(Ask("x", 10), refused_fields=refused, request_options={})

    assert {name: value for name, value in body.items() if name.startswith("max")} == cap


def test_refused_fields_are_left_out() -> None:
    body = body_of(
        Ask("x", 10, temperature=0.2),
        accepts_temperature=True,
        refused_fields=("temperature", "reasoning_effort"),
    )

    assert sorted(body) == ["max_completion_tokens", "messages", "model"]


def test_cap_is_never_above_the_models_own() -> None:
    assert body_of(Ask("x", 9000), max_output_tokens=4096)["max_completion_tokens"] == 4096


@pytest.mark.parametrize("text", ["NUL \x00", "lone \ud800 surrogate", "ünï😀", ""])
def test_any_text_can_be_sent(text: str) -> None:
    assert body_of(Ask(text, 10))["messages"][-1]["content"] == text


def test_protocols_not_built_say_so() -> None:
    assert not protocol_is_built("telegraph")
    with pytest.raises(ProtocolNotBuilt, match="not supported yet"):
        protocol_for("telegraph")
