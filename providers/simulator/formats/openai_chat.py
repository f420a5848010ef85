"""OpenAI's chat completions, and what the providers that share them do otherwise.

`manner` knows `usage` (`hits and misses`, `reasoning outside`, `with cost`), `reasoning` (`chunks`, `tags`, or the
name of a field beside the content) and `models` (`bare list`).
"""

from collections.abc import Callable, Mapping
from typing import Any, ClassVar

from providers.protocols.base import Outcome
from providers.simulator.formats.base import (
    Asked,
    Ending,
    Told,
    cap_of,
    model_of,
    n_tokens_of,
    texts_of_messages,
)

_FINISHES = {Ending.TRUNCATED: "length", Ending.BLOCKED: "content_filter"}
_TICKS_PER_USD = 10_000_000_000


class OpenAIChat:
    """`POST …/chat/completions`."""

    means: ClassVar[dict[Ending, Outcome]] = {}

    def asked(self, path: str, body: dict[str, Any]) -> Asked:
        """Return what a request asks; raises BadCall."""
        texts = texts_of_messages(body.get("messages"))
        return Asked(
            model=model_of(body),
            prompt=texts[-1],
            input_tokens=n_tokens_of(*texts),
            cap_tokens=cap_of(body, "max_completion_tokens", "max_tokens"),
            fields=frozenset(body),
        )

    def told(self, told: Told, manner: Mapping[str, str]) -> dict[str, Any]:
        """Return the body that answers it."""
        is_refusal = told.ending is Ending.REFUSED
        message: dict[str, Any] = {
            "role": "assistant",
            "content": None if is_refusal else told.text,
            "refusal": told.text if is_refusal else None,
            "annotations": [],
        }
        if told.reasoning_tokens and not is_refusal:
            message |= _with_reasoning(told.text, manner.get("reasoning", ""))
        body = {
            "id": f"chatcmpl-{told.id}",
            "object": "chat.completion",
            "created": told.created_s,
            "model": told.model,
            "choices": [
                {
                    "index": 0,
                    "message": message,
                    "logprobs": None,
                    "finish_reason": _FINISHES.get(told.ending, "stop"),
                }
            ],
        }
        if told.reports_usage:
            body["usage"] = _USAGE.get(manner.get("usage", ""), _usage)(told)
        return body

    def models(self, names: tuple[str, ...], manner: Mapping[str, str]) -> Any:
        """Return the list of models."""
        entries = [
            {"id": name, "object": "model", "created": 1_700_000_000, "owned_by": "simulator"}
            for name in names
        ]
        return entries if manner.get("models") == "bare list" else {"object": "list", "data": entries}


def _with_reasoning(text: str, form: str) -> dict[str, Any]:
    """Return the parts of a message that show what was thought, in the provider's form."""
    thought = "Thinking of an answer."
    match form:
        case "":
            return {}
        case "tags":
            return {"content": f"<think>{thought}</think>{text}"}
        case "chunks":
            thinking = {"type": "thinking", "thinking": [{"type": "text", "text": thought}]}
            return {"content": [thinking, {"type": "text", "text": text}]}
    return {form: thought}


def _usage(told: Told) -> dict[str, Any]:
    return {
        "prompt_tokens": told.input_tokens,
        "completion_tokens": told.output_tokens,
        "total_tokens": told.input_tokens + told.output_tokens,
        "prompt_tokens_details": {"cached_tokens": told.cached_tokens},
        "completion_tokens_details": {"reasoning_tokens": told.reasoning_tokens},
    }


def _usage_hits_and_misses(told: Told) -> dict[str, Any]:
    usage = _usage(told)
    usage["prompt_cache_hit_tokens"] = told.cached_tokens
    usage["prompt_cache_miss_tokens"] = told.input_tokens - told.cached_tokens
    return usage


def _usage_reasoning_outside(told: Told) -> dict[str, Any]:
    """Return counts of which the completion tokens leave the reasoning out, and the cost in ticks."""
    usage = {**_usage(told), "completion_tokens": told.output_tokens - told.reasoning_tokens}
    if told.cost_usd is not None:
        usage["cost_in_usd_ticks"] = round(told.cost_usd * _TICKS_PER_USD)
    return usage


def _usage_with_cost(told: Told) -> dict[str, Any]:
    return _usage(told) if told.cost_usd is None else {**_usage(told), "cost": told.cost_usd}


_USAGE: dict[str, Callable[[Told], dict[str, Any]]] = {
    "hits and misses": _usage_hits_and_misses,
    "reasoning outside": _usage_reasoning_outside,
    "with cost": _usage_with_cost,
}
