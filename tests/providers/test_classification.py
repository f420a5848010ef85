"""What each provider's failures mean: a row for every cell of the table of statuses (documentation, 2026-11-24)."""

import json
from typing import Any

import pytest

from providers.protocols import protocol_for
from providers.protocols.base import Failure, Outcome
from tests.providers.targets import make_target

BAD, KEY, PERM, CREDIT = (
    Outcome.BAD_REQUEST, Outcome.KEY_INVALID, Outcome.PERMISSION, Outcome.QUOTA_EXHAUSTED,
)  # fmt: skip
MODEL, LONG, RATE, BUSY, BLOCKED = (
    Outcome.MODEL_UNKNOWN, Outcome.TOO_LONG, Outcome.RATE_LIMITED, Outcome.OVERLOADED, Outcome.BLOCKED,
)  # fmt: skip


def error(message: str = "It failed.", **more: Any) -> dict[str, Any]:
    """Return the shape of OpenAI, Together, DeepSeek, Groq, OpenRouter, vLLM."""
    return {"error": {"message": message, **more}}


def claude(type_: str, message: str = "It failed.", **more: Any) -> dict[str, Any]:
    return {"type": "error", "error": {"type": type_, "message": message, **more}, "request_id": "req_1"}


def google(status: str, message: str = "It failed.", *details: dict[str, Any]) -> dict[str, Any]:
    return {"error": {"code": 0, "message": message, "status": status, "details": list(details)}}


def info(reason: str) -> dict[str, Any]:
    return {"@type": "type.googleapis.com/google.rpc.ErrorInfo", "reason": reason}


def quota(quota_id: str) -> dict[str, Any]:
    return {"@type": "type.googleapis.com/google.rpc.QuotaFailure", "violations": [{"quotaId": quota_id}]}


def xai(message: str, code: str = "The caller does not have permission") -> dict[str, Any]:
    return {"code": code, "error": message}


def plain(message: str) -> dict[str, Any]:
    return {"message": message, "id": "4a1e"}


INVALID = {"type": "invalid_request_error"}
XAI_SPENT = "Your team 00000000 has either used all available credits or reached its monthly spending limit."

# provider, status, body, outcome
CELLS: list[tuple[str, int, Any, Outcome]] = [
    ("openai", 400, error("Invalid value for messages.", **INVALID), BAD),
    ("openai", 400, error("Too long.", code="context_length_exceeded", **INVALID), LONG),
    ("openai", 400, error("Not allowed.", code="content_policy_violation"), BLOCKED),
    ("openai", 401, error("Incorrect API key provided: sk-a****b.", code="invalid_api_key", **INVALID), KEY),
    ("openai", 401, error("Your IP is not authorized.", code="ip_not_authorized", **INVALID), KEY),
    ("openai", 401, error("You must be a member of an organization to use the API.", **INVALID), KEY),
    ("openai", 403, error("Country not supported.", code="unsupported_country_region_territory"), PERM),
    ("openai", 403, error("Missing scopes: model.request.", code="missing_scope"), PERM),
    ("openai", 404, error("The model `gpt-9` does not exist.", code="model_not_found", **INVALID), MODEL),
    ("openai", 422, error("Unprocessable.", **INVALID), BAD),
    ("openai", 500, error("The server had an error.", type="server_error"), BUSY),
    ("openai", 503, error("Slow down.", code="server_is_overloaded", type="service_unavailable_error"), BUSY),
    # what 429 means at OpenAI, by code
    ("openai", 429, error("Too many requests.", type="requests", code="rate_limit_exceeded"), RATE),
    ("openai", 429, error("Too many tokens per min.", type="tokens", code="rate_limit_exceeded"), RATE),
    ("openai", 429, error("Traffic grew too fast.", code="slow_down"), RATE),
    *(
        ("openai", 429, error("You exceeded your current quota.", type="insufficient_quota", code=code), CREDIT)
        for code in (
            "insufficient_quota", "credit_balance_exhausted", "organization_spend_limit_exceeded",
            "project_spend_limit_exceeded", "organization_usage_limit_exceeded", "billing_hard_limit_reached",
        )
    ),
    ("openai", 429, error("You exceeded your current quota.", type="insufficient_quota", code=None), CREDIT),
    ("anthropic", 400, claude("invalid_request_error", "messages: at least one message is required"), BAD),
    ("anthropic", 400, claude("invalid_request_error", "prompt is too long: 2 tokens > 1 maximum"), LONG),
    ("anthropic", 400, claude("invalid_request_error", "You have reached your specified API usage limits."), CREDIT),
    ("anthropic", 400, claude("invalid_request_error", "Your credit balance is too low to access it."), CREDIT),
    ("anthropic", 401, claude("authentication_error", "invalid x-api-key"), KEY),
    ("anthropic", 402, claude("billing_error"), CREDIT),
    ("anthropic", 403, claude("permission_error"), PERM),
    ("anthropic", 404, claude("not_found_error", "model: claude-9"), MODEL),
    ("anthropic", 413, claude("request_too_large"), LONG),
    ("anthropic", 429, claude("rate_limit_error", "It exceeds your limit of 50,000 input tokens per minute."), RATE),
    ("anthropic", 429, claude("rate_limit_error", details={"error_code": "enforced_spend_limit_reached"}), CREDIT),
    ("anthropic", 500, claude("api_error"), BUSY),
    ("anthropic", 504, claude("timeout_error"), BUSY),
    ("anthropic", 529, claude("overloaded_error", "Overloaded"), BUSY),
    ("gemini", 400, google("INVALID_ARGUMENT", "API key not valid.", info("API_KEY_INVALID")), KEY),
    ("gemini", 400, google("INVALID_ARGUMENT", "It says less.", info("API_KEY_INVALID")), KEY),
    ("gemini", 400, google("FAILED_PRECONDITION", "User location is not supported for the API use."), PERM),
    ("gemini", 400, google("INVALID_ARGUMENT", "It exceeds the maximum number of tokens allowed (1)."), LONG),
    ("gemini", 400, google("INVALID_ARGUMENT", "Please use a valid role: user, model."), BAD),
    ("gemini", 401, google("UNAUTHENTICATED"), KEY),
    ("gemini", 402, google("RESOURCE_EXHAUSTED"), CREDIT),
    ("gemini", 403, google("PERMISSION_DENIED", "Your API key was reported as leaked."), PERM),
    ("gemini", 403, google("PERMISSION_DENIED", "It is disabled.", info("SERVICE_DISABLED")), PERM),
    ("gemini", 404, google("NOT_FOUND", "models/x is not found for API version v1beta."), MODEL),
    ("gemini", 429, google("RESOURCE_EXHAUSTED", "You exceeded your quota.", quota("GenerateRequestsPerMinute")), RATE),
    ("gemini", 429, google("RESOURCE_EXHAUSTED", "You exceeded your quota.", quota("GenerateRequestsPerDay")), CREDIT),
    ("gemini", 429, google("RESOURCE_EXHAUSTED", "Your prepayment credits are depleted."), CREDIT),
    ("gemini", 500, google("INTERNAL"), BUSY),
    ("gemini", 503, google("UNAVAILABLE", "The model is overloaded."), BUSY),
    ("gemini", 504, google("DEADLINE_EXCEEDED"), BUSY),
    ("deepseek", 400, error("Invalid format.", code="invalid_request_error", **INVALID), BAD),
    ("deepseek", 401, error("Authentication Fails.", type="authentication_error", code="invalid_request_error"), KEY),
    ("deepseek", 402, error("Insufficient Balance", type="unknown_error", code="invalid_request_error"), CREDIT),
    ("deepseek", 422, error("Invalid parameters.", code="invalid_request_error", **INVALID), BAD),
    ("deepseek", 429, error("Too many requests at once."), RATE),
    ("deepseek", 500, error("Server error."), BUSY),
    ("deepseek", 503, error("Server busy."), BUSY),
    ("mistral", 400, {"object": "error", "message": "Bad.", "type": "invalid_request_error", "code": "1"}, BAD),
    ("mistral", 400, {"object": "error", "message": "Prompt is too large for a maximum context length of 8"}, LONG),
    ("mistral", 400, {"object": "error", "message": "It is unknown.", "code": "1500"}, MODEL),
    ("mistral", 401, {"detail": "Unauthorized"}, KEY),
    ("mistral", 402, {"message": "Payment required", "request_id": "r"}, CREDIT),
    ("mistral", 403, {"message": "Forbidden", "request_id": "r"}, PERM),
    ("mistral", 404, {"message": "Not found", "request_id": "r"}, MODEL),
    ("mistral", 422, {"detail": [{"loc": ["body", "x"], "msg": "Extra inputs", "type": "extra_forbidden"}]}, BAD),
    ("mistral", 422, {"object": "error", "message": {"detail": [{"loc": ["body", "x"], "msg": "Extra"}]}}, BAD),
    ("mistral", 429, {"object": "error", "message": "Rate limit exceeded", "code": "1300"}, RATE),
    ("mistral", 429, {"object": "error", "message": "Service tier capacity exceeded for this model."}, BUSY),
    ("mistral", 503, {"message": "no healthy upstream"}, BUSY),
    ("xai", 400, xai("Incorrect API key provided: xa***ey.", "Client specified an invalid argument"), KEY),
    ("xai", 400, xai("Argument not supported.", "Client specified an invalid argument"), BAD),
    ("xai", 401, xai("No API key was given.", "Unauthenticated"), KEY),
    ("xai", 403, xai("The API key may not use this endpoint."), PERM),
    ("xai", 403, xai(XAI_SPENT), CREDIT),
    ("xai", 403, xai("Your team has run out of credits."), CREDIT),
    ("xai", 404, xai("The model grok-9 does not exist or your team has no access to it.", "Not found"), MODEL),
    ("xai", 422, "Failed to deserialize the JSON body: missing field `messages`", BAD),
    ("xai", 429, xai("Too many requests for this team.", "Some resource has been exhausted"), RATE),
    ("xai", 429, xai(XAI_SPENT, "Some resource has been exhausted"), CREDIT),
    ("xai", 500, xai("Internal error.", "Internal"), BUSY),
    ("together", 400, error("Invalid request.", **INVALID), BAD),
    ("together", 401, error("Invalid API key provided.", code="invalid_api_key", **INVALID), KEY),
    ("together", 402, error("Payment required."), CREDIT),
    ("together", 403, error("`inputs` tokens + `max_new_tokens` must be <= 131073."), LONG),
    ("together", 404, error("Unable to access model x.", code="model_not_available"), MODEL),
    ("together", 422, error("Unprocessable."), BAD),
    ("together", 429, error("You have reached your limit.", type="rate_limit"), RATE),
    ("together", 503, error("Overloaded.", type="service_unavailable"), BUSY),
    ("perplexity", 400, error("input is required", type="bad_request", code=400), BAD),
    ("perplexity", 401, error("Invalid API key provided.", type="invalid_api_key", code=401), KEY),
    ("perplexity", 401, "<html><head><title>401 Authorization Required</title></head></html>", KEY),
    ("perplexity", 401, error("You have no credits left.", type="unauthorized", code=401), CREDIT),
    ("perplexity", 400, error("Bad.", type="invalid_model", code=400), MODEL),
    ("perplexity", 403, error("Forbidden.", type="forbidden", code=403), PERM),
    ("perplexity", 413, error("Too large.", type="payload_too_large", code=413), LONG),
    ("perplexity", 424, error("Unreachable.", type="external_connector_error", code=424), BUSY),
    ("perplexity", 404, error("Not found.", code=404), MODEL),
    ("perplexity", 422, {"detail": [{"loc": ["body", "x"], "msg": "Extra", "type": "x"}]}, BAD),
    ("perplexity", 429, error("Too many.", type="request_rate_limit_exceeded", code=429), RATE),
    ("perplexity", 500, error("Internal.", code=500), BUSY),
    ("cohere", 400, plain("invalid request: message must be at least 1 token long"), BAD),
    ("cohere", 400, plain("too many tokens: the prompt cannot exceed 128000"), LONG),
    ("cohere", 401, plain("invalid api token"), KEY),
    ("cohere", 402, plain("please add a payment method"), CREDIT),
    ("cohere", 403, plain("you may not use this resource"), PERM),
    ("cohere", 404, plain("model 'x' not found, make sure the correct model ID was used"), MODEL),
    ("cohere", 422, plain("unknown field: parameter 'x' is not a valid field"), BAD),
    ("cohere", 498, plain("blocked output: please adjust your prompt and try again"), BLOCKED),
    ("cohere", 499, plain("request cancelled"), BUSY),
    ("cohere", 429, plain("You are using a Trial key, which is limited to 20 API calls / minute."), RATE),
    ("cohere", 429, plain("You are using a Trial key, which is limited to 1000 API calls / month."), CREDIT),
    ("cohere", 500, plain("internal server error"), BUSY),
    ("cohere", 501, plain("not implemented"), BAD),
    ("cohere", 504, plain("timeout"), BUSY),
    ("groq", 400, error("Invalid.", **INVALID), BAD),
    ("groq", 401, error("Invalid API Key", code="invalid_api_key", **INVALID), KEY),
    ("groq", 403, error("Blocked at the project level.", code="permissions_error"), PERM),
    ("groq", 404, error("The model `x` does not exist.", code="model_not_found", **INVALID), MODEL),
    ("groq", 413, error("Request too large on tokens per minute: Limit 8, Requested 9", type="tokens"), LONG),
    ("groq", 422, error("Semantic error.", **INVALID), BAD),
    ("groq", 498, error("Flex tier capacity exceeded.", type="capacity"), BUSY),
    ("groq", 429, error("Rate limit reached on requests per minute.", code="rate_limit_exceeded"), RATE),
    ("groq", 500, error("Internal Server Error"), BUSY),
    ("groq", 502, error("Bad gateway"), BUSY),
    ("groq", 503, error("Service Unavailable"), BUSY),
    ("openrouter", 400, error("Invalid.", code=400), BAD),
    ("openrouter", 400, error("openai/gpt-99 is not a valid model ID", code=400), MODEL),
    ("openrouter", 401, error("User not found.", code=401), KEY),
    ("openrouter", 402, error("Insufficient credits.", code=402), CREDIT),
    ("openrouter", 402, error("Wait.", code=402, metadata={"error_type": "in_flight_budget_exhausted"}), RATE),
    ("openrouter", 402, error("Too big.", code=402, metadata={"error_type": "weight_exceeds_budget"}), CREDIT),
    ("openrouter", 403, error("Your input was flagged.", code=403, metadata={"reasons": ["violence"]}), BLOCKED),
    ("openrouter", 403, error("Key limit exceeded.", code=403, metadata={"limit_source": "key"}), CREDIT),
    ("openrouter", 404, error("No endpoints found for x.", code=404), MODEL),
    ("openrouter", 408, error("Timed out.", code=408), BUSY),
    ("openrouter", 429, error("Rate limited.", code=429, metadata={"provider_code": "engine_overloaded"}), RATE),
    ("openrouter", 429, error("Too many tokens, please wait before trying again.", code=429), RATE),
    ("openrouter", 502, error("Provider returned error", code=502), BUSY),
    ("openrouter", 503, error("No provider available.", code=503), BUSY),
    ("openrouter", 524, error("Timed out at the edge.", code=524), BUSY),
    ("openrouter", 529, error("Overloaded upstream.", code=529), BUSY),
    ("openrouter", 200, error("Provider returned error", code=502), BUSY),
    ("openrouter", 200, {"choices": [{"error": {"code": 429, "message": "Rate limited upstream"}}]}, RATE),
    ("openrouter", 200, error("Insufficient credits.", code=402), CREDIT),
    ("ai21", 400, {"detail": "Bad request"}, BAD),
    ("ai21", 401, {"detail": "Unauthorized"}, KEY),
    ("ai21", 403, {"detail": "Forbidden"}, PERM),
    ("ai21", 422, [{"loc": ["body", "messages"], "msg": "field required", "type": "missing"}], BAD),
    ("ai21", 424, {"detail": "Too many requests"}, RATE),
    ("ai21", 429, {"detail": "Too many requests"}, RATE),
    ("ai21", 500, {"detail": "Internal"}, BUSY),
    ("ai21", 503, {"detail": "Unavailable"}, BUSY),
    ("ai21", 530, "", BUSY),
    ("openai-compatible", 400, error("The maximum context length is 8192.", type="BadRequestError", code=400), LONG),
    ("openai-compatible", 400, {"object": "error", "message": "Bad.", "type": "BadRequestError", "code": 400}, BAD),
    ("openai-compatible", 400, error("Too big.", code=400, type="exceed_context_size_error", n_ctx=4096), LONG),
    ("openai-compatible", 500, error("It exceeds the available context size", code=400), LONG),
    ("openai-compatible", 401, {"error": "Unauthorized"}, KEY),
    ("openai-compatible", 404, error("The model `x` does not exist.", type="NotFoundError", code=404), MODEL),
    ("openai-compatible", 404, {"error": "model 'x' not found"}, MODEL),
    ("openai-compatible", 503, error("Loading model", type="unavailable_error", code=503), BUSY),
]  # fmt: skip


@pytest.mark.parametrize(("provider", "status", "body", "outcome"), CELLS)
def test_cell(provider: str, status: int, body: Any, outcome: Outcome) -> None:
    target = make_target(provider)
    sent = body.encode() if isinstance(body, str) else json.dumps(body).encode()

    failure = protocol_for(target.protocol).parse(target, status, {}, sent)

    assert isinstance(failure, Failure)
    assert failure.outcome is outcome


# provider, what it says of a field → the field that is left out from then on
REFUSALS: list[tuple[str, dict[str, Any], str]] = [
    ("openai", error("Unsupported value.", param="temperature", code="unsupported_value"), "temperature"),
    ("openai", error("Unsupported parameter: 'temperature' is not supported.", code=None), "temperature"),
    ("openai", error("Use 'max_completion_tokens' instead.", param="max_tokens"), "max_tokens"),
    ("openai", error("Unsupported value: 'none'.", param="reasoning_effort"), "reasoning_effort"),
    ("openai", error("Unsupported parameter.", param="top_p"), "top_p"),
    ("openai", error("Unsupported parameter.", param="stop"), "stop"),
    ("deepseek", error("Failed to deserialize: thinking: unknown field `thinking`"), "thinking"),
    ("mistral", {"detail": [{"loc": ["body", "reasoning_effort"], "msg": "Extra inputs"}]}, "reasoning_effort"),
    ("xai", xai("Argument not supported on this model: stop and `stop`"), "stop"),
    ("xai", xai("This model does not support parameter reasoningEffort."), "reasoning_effort"),
    ("groq", error("`reasoning_effort` must be one of `none` or `default`", **INVALID), "reasoning_effort"),
    ("openrouter", error("Reasoning is mandatory: set reasoning.enabled", code=400), "reasoning"),
    ("perplexity", error("Invalid.", param="reasoning.effort"), "reasoning"),
    ("perplexity", error("max_output_tokens must be at least 16"), "max_output_tokens"),
    ("anthropic", claude("invalid_request_error", "`temperature` is deprecated for this model."), "temperature"),
    ("anthropic", claude("invalid_request_error", "top_p: cannot be set here"), "top_p"),
    ("anthropic", claude("invalid_request_error", "thinking.type.disabled: not supported"), "thinking"),
    ("anthropic", claude("invalid_request_error", "This model does not support the effort parameter."), "effort"),
    ("anthropic", claude("invalid_request_error", "max_tokens: 9 > 8, the maximum allowed"), ""),
    ("gemini", google("INVALID_ARGUMENT", "Unknown name \"thinkingLevel\" at 'a.thinking_config'"), "thinking_level"),
    ("gemini", google("INVALID_ARGUMENT", "Invalid value at 'generation_config.temperature'"), "temperature"),
    ("gemini", google("INVALID_ARGUMENT", "Thinking budget is not supported for this model."), "thinking_config"),
    ("gemini", google("INVALID_ARGUMENT", "maxOutputTokens is out of range"), "max_output_tokens"),
    ("gemini", google("INVALID_ARGUMENT", "Bad.", {"field": "generation_config.top_p", "description": "x"}), "top_p"),
    ("cohere", plain("invalid request: temperature must be between 0 and 1.0 inclusive"), "temperature"),
    ("cohere", plain("invalid request: max_tokens must be less than or equal to 4096"), "max_tokens"),
    ("cohere", plain("'thinking' is not supported for this model"), "thinking"),
    ("openai", error("You must stop thinking about seeds and tools.", **INVALID), ""),
]  # fmt: skip


@pytest.mark.parametrize(("provider", "body", "field"), REFUSALS)
def test_refused_field(provider: str, body: dict[str, Any], field: str) -> None:
    target = make_target(provider)

    failure = protocol_for(target.protocol).parse(target, 400, {}, json.dumps(body).encode())

    assert isinstance(failure, Failure)
    assert (failure.outcome, failure.refused_field) == (BAD, field)
