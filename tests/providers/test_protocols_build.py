"""What is sent in each wire format, to the models of the catalogue and to others."""

import json
from typing import Any

import pytest

from providers.protocols import protocol_for
from providers.protocols.base import Ask, HttpRequest
from providers.protocols.request_fields import merged, put, without
from providers.rules.secret import Secret
from providers.rules.urls import url_below
from tests.providers.targets import make_target

KEY = Secret("sk-test-0123456789")
ASK = Ask("What is nike.com?", 2000, "Be brief.")
PROVIDERS = ("openai", "perplexity", "anthropic", "gemini", "cohere")

# provider → address and body to its default model
SENT: dict[str, tuple[str, dict[str, Any]]] = {
    "perplexity": (
        "https://api.perplexity.ai/v1/responses",
        {
            "model": "perplexity/sonar",
            "instructions": "Be brief.",
            "input": "What is nike.com?",
            "tools": [{"type": "web_search"}],
            "tool_choice": "required",
            "max_output_tokens": 2000,
        },
    ),
    "anthropic": (
        "https://api.anthropic.com/v1/messages",
        {
            "model": "claude-haiku-5-5",
            "system": "Be brief.",
            "messages": [{"role": "user", "content": "What is nike.com?"}],
            "thinking": {"type": "disabled"},
            "max_tokens": 2000,
        },
    ),
    "gemini": (
        "https://generativelanguage.googleapis.com/v1beta/models/gemini-3.5-flash-lite:generateContent",
        {
            "systemInstruction": {"parts": [{"text": "Be brief."}]},
            "contents": [{"role": "user", "parts": [{"text": "What is nike.com?"}]}],
            "generationConfig": {"maxOutputTokens": 2000},
        },
    ),
    "cohere": (
        "https://api.cohere.com/v2/chat",
        {
            "model": "command-r7b-12-2024",
            "messages": [
                {"role": "system", "content": "Be brief."},
                {"role": "user", "content": "What is nike.com?"},
            ],
            "max_tokens": 2000,
        },
    ),
}


def request_for(provider: str, ask: Ask = ASK, **target: Any) -> HttpRequest:
    """Build the request to a provider's default model."""
    made = make_target(provider, **target)
    return protocol_for(made.protocol).build(ask, made, KEY)


def body_for(provider: str, ask: Ask = ASK, **target: Any) -> dict[str, Any]:
    """Decode the body of that request."""
    body: dict[str, Any] = json.loads(request_for(provider, ask, **target).body or b"")
    return body


@pytest.mark.parametrize("provider", SENT)
def test_build(provider: str) -> None:
    url, body = SENT[provider]

    request = request_for(provider)

    assert (request.method, request.url) == ("POST", url)
    assert json.loads(request.body or b"") == body


@pytest.mark.parametrize("provider", PROVIDERS)
def test_without_system_text_none_is_sent(provider: str) -> None:
    body = body_for(provider, Ask("Hello?", 10))

    assert not {"system", "systemInstruction", "instructions"} & body.keys()
    assert '"system"' not in json.dumps(body)


@pytest.mark.parametrize(
    ("provider", "header"),
    [
        ("openai", "Authorization"),
        ("perplexity", "Authorization"),
        ("anthropic", "Authorization"),
        ("gemini", "x-goog-api-key"),
        ("cohere", "Authorization"),
    ],
)
def test_key_is_only_in_its_header(provider: str, header: str) -> None:
    request = request_for(provider)

    assert [name for name, value in request.headers.items() if KEY.reveal() in value] == [header]
    assert KEY.reveal() not in request.url + repr(request)
    assert KEY.reveal().encode() not in (request.body or b"")


def test_anthropic_names_its_version() -> None:
    assert request_for("anthropic").headers["anthropic-version"] == "2023-06-01"


@pytest.mark.parametrize("provider", PROVIDERS)
@pytest.mark.parametrize(
    ("temperature", "accepts", "is_sent"), [(None, True, False), (0.2, True, True), (0.2, False, False)]
)
def test_temperature_only_when_asked_for_and_accepted(
    provider: str, temperature: float | None, accepts: bool, is_sent: bool
) -> None:
    body = body_for(provider, Ask("x", 10, temperature=temperature), accepts_temperature=accepts)

    assert ('"temperature": 0.2' in json.dumps(body)) is is_sent


@pytest.mark.parametrize("provider", PROVIDERS)
def test_cap_is_never_above_the_models_own(provider: str) -> None:
    body = json.dumps(body_for(provider, Ask("x", 9000), max_output_tokens=4096))

    assert "4096" in body
    assert "9000" not in body


@pytest.mark.parametrize(
    ("provider", "model", "own_cap", "sent"),
    [
        ("openai", "gpt-6-luna", None, 2000),
        ("openai", "gpt-6.1-sol", None, 6000),
        ("openai", "gpt-6.1-sol", 4096, 4096),
        ("groq", "openai/gpt-oss-20b", 65_536, 3000),
    ],
)
def test_models_that_cannot_stop_thinking_get_room(
    provider: str, model: str, own_cap: int | None, sent: int
) -> None:
    body = body_for(provider, model=model, max_output_tokens=own_cap)

    assert body["max_completion_tokens"] == sent


GEMINI_OPTIONS = {"generationConfig": {"thinkingConfig": {"thinkingLevel": "low"}, "topP": 0.9}}


def test_options_are_merged_at_every_level() -> None:
    body = body_for(
        "gemini", Ask("x", 10, temperature=0.2), accepts_temperature=True, request_options=GEMINI_OPTIONS
    )

    assert body["generationConfig"] == {
        "thinkingConfig": {"thinkingLevel": "low"}, "topP": 0.9, "temperature": 0.2, "maxOutputTokens": 10,
    }  # fmt: skip
    assert "maxOutputTokens" not in GEMINI_OPTIONS["generationConfig"]  # the target is left as it was


@pytest.mark.parametrize(
    ("refused", "left"),
    [
        (("thinking_level",), {"topP": 0.9, "temperature": 0.2, "maxOutputTokens": 10}),
        (("thinking_config",), {"topP": 0.9, "temperature": 0.2, "maxOutputTokens": 10}),
        (("temperature", "top_p"), {"thinkingConfig": {"thinkingLevel": "low"}, "maxOutputTokens": 10}),
        (
            ("max_output_tokens",),
            {"thinkingConfig": {"thinkingLevel": "low"}, "topP": 0.9, "temperature": 0.2},
        ),
    ],
)
def test_refused_fields_are_left_out_at_any_depth(refused: tuple[str, ...], left: dict[str, Any]) -> None:
    body = body_for(
        "gemini", Ask("x", 10, temperature=0.2), accepts_temperature=True, request_options=GEMINI_OPTIONS,
        refused_fields=refused,
    )  # fmt: skip

    assert body["generationConfig"] == left


@pytest.mark.parametrize(
    ("provider", "refused", "gone"),
    [
        ("anthropic", "thinking", "thinking"),
        ("cohere", "max_tokens", "max_tokens"),
        ("perplexity", "tool_choice", "tool_choice"),
        ("perplexity", "max_output_tokens", "max_output_tokens"),
    ],
)
def test_refused_field_is_left_out(provider: str, refused: str, gone: str) -> None:
    assert gone in body_for(provider)
    assert gone not in body_for(provider, refused_fields=(refused,))


def test_what_a_format_needs_is_never_left_out() -> None:
    assert body_for("anthropic", refused_fields=("max_tokens",))["max_tokens"] == 2000


def test_model_in_the_address_is_quoted() -> None:
    plain = request_for("gemini", model="models/gemini-4-argon").url
    odd = request_for("gemini", model="a/b?c").url

    assert plain.endswith("/models/gemini-4-argon:generateContent")
    assert odd.endswith("/models/a%2Fb%3Fc:generateContent")


def test_merged_changes_neither() -> None:
    base, options = {"a": {"b": 1}, "c": 2}, {"a": {"d": 3}, "c": {"e": 4}}

    result = merged(base, options)

    assert result == {"a": {"b": 1, "d": 3}, "c": {"e": 4}}
    assert (base, options) == ({"a": {"b": 1}, "c": 2}, {"a": {"d": 3}, "c": {"e": 4}})


@pytest.mark.parametrize("before", [{}, {"a": {}}, {"a": 5}])
def test_put_makes_objects_on_the_way(before: dict[str, Any]) -> None:
    put(before, "a.b.c", 1)

    assert before == {"a": {"b": {"c": 1}}}


@pytest.mark.parametrize(
    ("base_url", "path", "url"),
    [
        ("https://api.anthropic.com", "/v1/messages", "https://api.anthropic.com/v1/messages"),
        ("http://proxy/v1/", "/v1/messages", "http://proxy/v1/messages"),
        ("http://proxy/anthropic/v1", "v1/messages", "http://proxy/anthropic/v1/messages"),
        ("http://v1", "/v1/messages", "http://v1/v1/messages"),
        ("http://host/models", "/models", "http://host/models/models"),
        ("http://host/v1", "/chat/completions", "http://host/v1/chat/completions"),
    ],
)
def test_url_below_a_base_that_names_the_version_too(base_url: str, path: str, url: str) -> None:
    assert url_below(base_url, path) == url


def test_without_keeps_what_was_empty_before() -> None:
    assert without({"a": {"x": 1}, "b": {}, "c": 2}, frozenset({"x"})) == {"b": {}, "c": 2}
