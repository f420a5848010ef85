"""OpenAI's chat completions format, which most providers and local servers speak.

`build` and `parse` only; how errors are understood stands in `rules/`, what single providers do otherwise
comes as `Target.quirks`. Quirks known here, beside those of `rules/classify.py`: `cached_path`, `cost_path`
(dotted paths in the answer), `cost_divisor`, `reasoning_outside_output`, `has_think_tags`.
"""

import json
from typing import Any

from providers.protocols.answer_fields import cost_at, first_object, n_tokens
from providers.protocols.base import Ask, Failure, HttpRequest, Outcome, Reply, Target
from providers.protocols.headers import request_headers
from providers.rules.classify import failure_for
from providers.rules.error_bodies import ErrorFacts, error_facts, facts_of_json, json_body
from providers.rules.redact import redact
from providers.rules.secret import Secret
from providers.rules.text import answer_text, clean_text
from providers.rules.urls import url_below

_CAP_FIELDS = ("max_completion_tokens", "max_tokens")
_TRUNCATED = frozenset({"length", "model_length", "max_tokens"})
_BLOCKED = frozenset({"content_filter", "moderation"})
_GAVE_UP = frozenset({"insufficient_system_resource", "error"})
_REQUEST_ID_HEADERS = ("x-request-id", "request-id", "x-generation-id", "cf-ray")


class OpenAIChat:
    """Speaks `POST /chat/completions`."""

    def build(self, ask: Ask, target: Target, secret: Secret | None) -> HttpRequest:
        """Return the request that asks `ask` of `target`."""
        body: dict[str, Any] = {"model": target.model, "messages": _messages(ask), **target.request_options}
        if ask.temperature is not None and target.accepts_temperature:
            body["temperature"] = ask.temperature
        for refused in target.refused_fields:
            body.pop(refused, None)
        if cap_field := _cap_field(target):
            body[cap_field] = min(ask.max_output_tokens, target.max_output_tokens or ask.max_output_tokens)
        headers = request_headers(auth_style=target.auth_style, secret=secret, extra=target.extra_headers)
        return HttpRequest(
            method="POST",
            url=url_below(target.base_url, target.chat_path),
            headers={**headers, "Content-Type": "application/json"},
            body=json.dumps(body, ensure_ascii=True, separators=(",", ":")).encode(),
            timeout_s=target.timeout_s,
        )

    def parse(self, target: Target, status: int, headers: dict[str, str], body: bytes) -> Reply | Failure:
        """Return what an HTTP answer means; header names come in lower case. Never raises on bad input."""
        request_id = _request_id(headers)
        if not 200 <= status < 300:
            return _failure(target, status, headers, error_facts(body), request_id)
        try:
            decoded = json_body(body)
        except ValueError:
            return _malformed(f"not JSON: {error_facts(body).message}", status, request_id)
        if error := _error_within(decoded):
            return _failure(target, _status_within(error, status), headers, facts_of_json(error), request_id)
        choice = first_object(decoded.get("choices")) if isinstance(decoded, dict) else None
        if choice is None:
            return _malformed("JSON without choices", status, request_id)
        return _reply(target, decoded, choice, status=status, request_id=request_id)


def _messages(ask: Ask) -> list[dict[str, str]]:
    system = [{"role": "system", "content": ask.system_text}] if ask.system_text else []
    return [*system, {"role": "user", "content": ask.text}]


def _cap_field(target: Target) -> str:
    """Return the name of the output cap that the model has not refused, "" when it refused both."""
    names = (target.output_cap_field, *_CAP_FIELDS)
    return next((name for name in names if name not in target.refused_fields), "")


def _request_id(headers: dict[str, str]) -> str:
    found = next((headers[name] for name in _REQUEST_ID_HEADERS if headers.get(name)), "")
    return clean_text(found, max_length=120)


def _failure(
    target: Target, status: int, headers: dict[str, str], facts: ErrorFacts, request_id: str
) -> Failure:
    return failure_for(
        status=status, facts=facts, headers=headers, quirks=target.quirks, request_id=request_id
    )


def _malformed(message: str, status: int, request_id: str) -> Failure:
    return Failure(Outcome.MALFORMED, redact(message), http_status=status, request_id=request_id)


def _error_within(decoded: Any) -> Any:
    """Return the error that a body with status 200 carries, None when it carries none."""
    if isinstance(decoded, list):
        decoded = first_object(decoded)
    if not isinstance(decoded, dict):
        return None
    if decoded.get("error") or decoded.get("object") == "error":
        return decoded
    choice = first_object(decoded.get("choices"))
    return choice if choice and choice.get("error") else None


def _status_within(error: dict[str, Any], status: int) -> int:
    """Return the status that the error itself names, else the one of the answer."""
    inner = error["error"] if isinstance(error.get("error"), dict) else error
    code = inner.get("code")
    return code if isinstance(code, int) and 400 <= code < 600 else status


def _reply(
    target: Target, decoded: dict[str, Any], choice: dict[str, Any], *, status: int, request_id: str
) -> Reply | Failure:
    finish_reason = clean_text(choice.get("finish_reason"), max_length=40)
    if finish_reason in _GAVE_UP:
        return Failure(
            Outcome.OVERLOADED, f"the server gave up: {finish_reason}",
            http_status=status, code=finish_reason, request_id=request_id,
        )  # fmt: skip
    outcome, text = _outcome_and_text(target, choice, finish_reason)
    return Reply(
        outcome=outcome,
        text=text,
        served_model=clean_text(decoded.get("model"), max_length=200),
        finish_reason=finish_reason,
        cost_usd=cost_at(decoded, target.quirks),
        request_id=clean_text(decoded.get("id"), max_length=120) or request_id,
        http_status=status,
        **_usage(target, decoded),  # type: ignore[arg-type]  # only token counts
    )


def _outcome_and_text(
    target: Target, choice: dict[str, Any], finish_reason: str
) -> tuple[Outcome, str | None]:
    """Return how the choice ended. Cut off before the first word is empty: asked again with more room."""
    message = choice.get("message")
    message = message if isinstance(message, dict) else {}
    refusal = answer_text(clean_text(message.get("refusal")))
    text = answer_text(
        _content_text(message.get("content")), has_think_tags=bool(target.quirks.get("has_think_tags"))
    )
    if refusal:
        return Outcome.REFUSED, refusal
    if finish_reason in _BLOCKED:
        return Outcome.BLOCKED, text
    if text is None:
        return Outcome.EMPTY, None
    return (Outcome.TRUNCATED if finish_reason in _TRUNCATED else Outcome.ANSWERED), text


def _content_text(content: Any) -> str:
    """Return the text of a content that is a string or a list of chunks, of which only `text` ones count."""
    if not isinstance(content, list):
        return content if isinstance(content, str) else ""
    chunks = [chunk for chunk in content if isinstance(chunk, dict) and chunk.get("type") == "text"]
    return "".join(clean_text(chunk.get("text")) for chunk in chunks)


def _usage(target: Target, decoded: dict[str, Any]) -> dict[str, int | None]:
    output = n_tokens(decoded, "usage.completion_tokens")
    reasoning = n_tokens(decoded, "usage.completion_tokens_details.reasoning_tokens")
    if target.quirks.get("reasoning_outside_output") and output is not None:
        output += reasoning or 0
    cached_path = target.quirks.get("cached_path", "usage.prompt_tokens_details.cached_tokens")
    return {
        "input_tokens": n_tokens(decoded, "usage.prompt_tokens"),
        "output_tokens": output,
        "reasoning_tokens": reasoning,
        "cached_tokens": n_tokens(decoded, cached_path),
    }
