"""The official SDKs' own types accept what we send, and read out of answers what we read.

They are development dependencies, used for their types only: nothing of them is imported before a test needs it.
An SDK that learns a new finish reason fails a test here, so that its meaning is decided and not guessed.
"""

import inspect
import json
import typing
from importlib import import_module
from pathlib import Path
from typing import Any

import pytest

from providers.environment import catalogue_entries
from providers.protocols import protocol_for
from providers.protocols.base import Ask, Outcome, Reply
from providers.rules.secret import Secret
from tests.providers.targets import make_target
from tests.providers.test_protocol_contract import PROVIDER_OF, parsed
from tests.providers.test_simulator_protocols import asked

RECORDINGS = Path(__file__).parent / "recordings"
ASK = Ask("What is nike.com?", 2000, "Be brief.", temperature=0.2)
# fields that providers take beside OpenAI's; its SDK sends such as `extra_body`
EXTRA_FIELDS = {"deepseek": {"thinking"}, "together": {"reasoning"}, "openrouter": {"reasoning"}}


def models_of(*providers: str) -> list[Any]:
    """Return the catalogue's models of these providers, each with its provider's name, as parameters."""
    return [
        pytest.param(entry["name"], model, id=f"{entry['name']}-{model['name']}")
        for entry in catalogue_entries()
        for model in entry.get("models", [])
        if entry["name"] in providers
    ]


CHAT_PROVIDERS = [entry["name"] for entry in catalogue_entries() if entry["protocol"] == "openai_chat"]


def sdk(name: str) -> Any:
    """Return a class of an SDK by its full name; the import is slow, and only these tests need it."""
    module, _, attribute = name.rpartition(".")
    return getattr(import_module(module), attribute)


def body_for(provider: str, model: dict[str, Any]) -> dict[str, Any]:
    """Return what we send to a model of the catalogue, with a temperature where it takes one."""
    entry = next(one for one in catalogue_entries() if one["name"] == provider)
    target = make_target(
        provider,
        model=model["name"],
        accepts_temperature=model.get("accepts_temperature", False),
        request_options={**entry.get("extra_body", {}), **model.get("request_options", {})},
    )
    request = protocol_for(target.protocol).build(ASK, target, Secret("sk-test"))
    body: dict[str, Any] = json.loads(request.body or b"")
    return body


def accepted(type_: Any, value: Any) -> None:
    """Assert that a type of an SDK takes the value."""
    sdk("pydantic.TypeAdapter")(type_).validate_python(value)


def accepted_by_dict(type_: Any, body: dict[str, Any], *, extra: set[str] | None = None) -> None:
    """Assert that a TypedDict takes the body and knows all of its fields but the `extra` ones."""
    unknown = body.keys() - type_.__required_keys__ - type_.__optional_keys__

    assert unknown == (extra or set()) & body.keys()
    accepted(type_, {name: value for name, value in body.items() if name not in unknown})


@pytest.mark.parametrize(("provider", "model"), models_of(*CHAT_PROVIDERS))
def test_openai_accepts(provider: str, model: dict[str, Any]) -> None:
    name = "openai.types.chat.completion_create_params.CompletionCreateParamsNonStreaming"

    accepted_by_dict(sdk(name), body_for(provider, model), extra=EXTRA_FIELDS.get(provider))


@pytest.mark.parametrize(("provider", "model"), models_of("perplexity"))
def test_openai_responses_accept(provider: str, model: dict[str, Any]) -> None:
    name = "openai.types.responses.response_create_params.ResponseCreateParamsNonStreaming"

    accepted_by_dict(sdk(name), body_for(provider, model))


@pytest.mark.parametrize(("provider", "model"), models_of("anthropic"))
def test_anthropic_accepts(provider: str, model: dict[str, Any]) -> None:
    name = "anthropic.types.message_create_params.MessageCreateParamsNonStreaming"

    accepted_by_dict(sdk(name), body_for(provider, model))


@pytest.mark.parametrize(("provider", "model"), models_of("gemini"))
def test_gemini_accepts(provider: str, model: dict[str, Any]) -> None:
    body = body_for(provider, model)
    config = {**body.pop("generationConfig"), "systemInstruction": body.pop("systemInstruction")}

    sdk("google.genai.types.GenerateContentConfig").model_validate(config)  # it forbids unknown fields
    for content in body.pop("contents"):
        sdk("google.genai.types.Content").model_validate(content)
    assert body == {}


@pytest.mark.parametrize(("provider", "model"), models_of("cohere"))
def test_cohere_accepts(provider: str, model: dict[str, Any]) -> None:
    chat = sdk("cohere.v2.client.V2Client").chat
    hints = typing.get_type_hints(chat)
    body = body_for(provider, model)

    assert body.keys() <= inspect.signature(chat).parameters.keys()
    for name, value in body.items():
        accepted(hints[name], value)


@pytest.mark.parametrize(("provider", "model"), models_of("mistral"))
def test_mistral_accepts(provider: str, model: dict[str, Any]) -> None:
    request = sdk("mistralai.client.models.ChatCompletionRequest")
    body = body_for(provider, model)

    assert body.keys() <= request.model_fields.keys()
    request.model_validate(body)


def test_a_wrong_body_is_not_accepted() -> None:
    name = "anthropic.types.message_create_params.MessageCreateParamsNonStreaming"
    body = body_for("anthropic", {"name": "claude-haiku-5-5"})

    with pytest.raises(ValueError, match="max_tokens"):
        accepted_by_dict(sdk(name), {**body, "max_tokens": "many"})


# format → how its SDK reads a body, and how it gives the text
READERS: dict[str, tuple[str, Any]] = {
    "openai_chat": ("openai.types.chat.ChatCompletion", lambda it: it.choices[0].message.content),
    "anthropic": (
        "anthropic.types.Message",
        lambda it: "".join(block.text for block in it.content if block.type == "text"),
    ),
    "gemini": ("google.genai.types.GenerateContentResponse", lambda it: it.text),
    "cohere": (
        "cohere.v2.types.v2chat_response.V2ChatResponse",
        lambda it: "".join(part.text for part in it.message.content if part.type == "text"),
    ),
    # the agent's outputs are more than OpenAI's, so its SDK takes them as they come, as it does on the wire
    "openai_responses": ("openai.types.responses.Response", lambda it: it.output_text),
}


def text_by_sdk(protocol: str, body: bytes) -> str:
    """Return the text that the SDK's own response type finds in a body."""
    name, text_of = READERS[protocol]
    decoded = json.loads(body)
    if protocol == "openai_responses":
        response = sdk("openai._models.construct_type")(type_=sdk(name), value=decoded)
    else:
        response = sdk(name).model_validate(decoded)
    return str(text_of(response)).strip()


@pytest.mark.parametrize(
    ("protocol", "name"),
    [
        *((protocol, "ok") for protocol in READERS),
        *((protocol, "truncated") for protocol in READERS),
        ("openai_chat", "xai_ok"),
        ("openai_chat", "openrouter_ok"),
        ("anthropic", "ok_thinking_first"),
        ("anthropic", "ok_citations"),
        ("gemini", "ok_thoughts"),
        ("gemini", "ok_grounded"),
        ("cohere", "ok_thinking_first"),
        ("openai_responses", "ok_two_messages"),
    ],
)
def test_sdk_reads_the_same_text(protocol: str, name: str) -> None:
    reply = parsed(protocol, name)

    assert isinstance(reply, Reply)
    assert text_by_sdk(protocol, (RECORDINGS / protocol / f"{name}.json").read_bytes()) == reply.text


def test_mistral_reads_the_same_text() -> None:
    body = json.loads((RECORDINGS / "openai_chat" / "mistral_list_content.json").read_text())
    response = sdk("mistralai.client.models.ChatCompletionResponse").model_validate(body)
    reply = parsed("openai_chat", "mistral_list_content")

    assert isinstance(reply, Reply)
    chunks = response.choices[0].message.content
    assert "".join(chunk.text for chunk in chunks if chunk.type == "text").strip() == reply.text


@pytest.mark.parametrize("protocol", READERS)
def test_sdk_reads_the_simulator(protocol: str) -> None:
    plan, reply = asked(PROVIDER_OF[protocol])

    assert isinstance(reply, Reply)
    assert text_by_sdk(protocol, plan.body) == reply.text


def test_mistral_reads_the_simulator() -> None:
    plan, _reply = asked("mistral")

    sdk("mistralai.client.models.ChatCompletionResponse").model_validate(json.loads(plan.body))


ANTHROPIC_REASONS = {
    "end_turn": Outcome.ANSWERED,
    "stop_sequence": Outcome.ANSWERED,
    "tool_use": Outcome.ANSWERED,
    "max_tokens": Outcome.TRUNCATED,
    "model_context_window_exceeded": Outcome.TRUNCATED,
    "refusal": Outcome.REFUSED,
    "pause_turn": Outcome.OVERLOADED,
}
GEMINI_REASONS = {
    **dict.fromkeys(("MAX_TOKENS", "CONTINUATION"), Outcome.TRUNCATED),
    **dict.fromkeys(("OTHER", "MALFORMED_RESPONSE"), Outcome.OVERLOADED),
    **dict.fromkeys(
        ("SAFETY", "RECITATION", "LANGUAGE", "BLOCKLIST", "PROHIBITED_CONTENT", "SPII", "MODEL_ARMOR",
         "IMAGE_SAFETY", "IMAGE_PROHIBITED_CONTENT", "IMAGE_RECITATION", "IMAGE_OTHER"),
        Outcome.BLOCKED,
    ),
    **dict.fromkeys(
        ("FINISH_REASON_UNSPECIFIED", "STOP", "MALFORMED_FUNCTION_CALL", "NO_IMAGE", "UNEXPECTED_TOOL_CALL",
         "TOO_MANY_TOOL_CALLS", "MISSING_THOUGHT_SIGNATURE", "ESCALATION", "PUP_LIMITED_DISABLED"),
        Outcome.ANSWERED,
    ),
}  # fmt: skip
COHERE_REASONS = {
    "COMPLETE": Outcome.ANSWERED,
    "STOP_SEQUENCE": Outcome.ANSWERED,
    "TOOL_CALL": Outcome.ANSWERED,
    "MAX_TOKENS": Outcome.TRUNCATED,
    "ERROR": Outcome.OVERLOADED,
    "TIMEOUT": Outcome.OVERLOADED,
}


def outcomes_by_reason(protocol: str, reasons: Any) -> dict[str, Outcome]:
    """Return what each finish reason makes of a good answer with text."""
    text = (RECORDINGS / protocol / "ok.json").read_text()
    usual = {"anthropic": '"end_turn"', "gemini": '"STOP"', "cohere": '"COMPLETE"'}[protocol]
    parse = protocol_for(protocol).parse
    target = make_target(PROVIDER_OF[protocol])
    return {
        reason: parse(target, 200, {}, text.replace(usual, json.dumps(reason)).encode()).outcome
        for reason in reasons
    }


def test_every_stop_reason_of_anthropic_has_a_meaning() -> None:
    reasons = typing.get_args(sdk("anthropic.types.stop_reason.StopReason"))

    assert outcomes_by_reason("anthropic", reasons) == ANTHROPIC_REASONS


def test_every_finish_reason_of_gemini_has_a_meaning() -> None:
    reasons = [reason.value for reason in sdk("google.genai.types.FinishReason")]

    assert outcomes_by_reason("gemini", reasons) == GEMINI_REASONS


def test_every_finish_reason_of_cohere_has_a_meaning() -> None:
    reasons = typing.get_args(typing.get_args(sdk("cohere.types.chat_finish_reason.ChatFinishReason"))[0])

    assert outcomes_by_reason("cohere", reasons) == COHERE_REASONS
