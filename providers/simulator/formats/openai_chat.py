"""OpenAI's chat completions, and what the providers that share them do otherwise (see `_USAGE`, `_FINISHES`)."""

from collections.abc import Callable
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

    def told(self, told: Told, provider: str) -> dict[str, Any]:
        """Return the body that answers it."""
        is_refusal = told.ending is Ending.REFUSED
        message: dict[str, Any] = {
            "role": "assistant",
            "content": None if is_refusal else told.text,
            "refusal": told.text if is_refusal else None,
            "annotations": [],
        }
        if told.reasoning_tokens and provider in _REASONING_FIELDS:
            message[_REASONING_FIELDS[provider]] = "Thinking of an answer."
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
            body["usage"] = _USAGE.get(provider, _usage)(told)
        return body

    def models(self, names: tuple[str, ...], provider: str) -> Any:
        """Return the list of models; Together's is a bare one."""
        entries = [
            {"id": name, "object": "model", "created": 1_700_000_000, "owned_by": provider} for name in names
        ]
        return entries if provider == "together" else {"object": "list", "data": entries}


_REASONING_FIELDS = {"deepseek": "reasoning_content", "groq": "reasoning", "xai": "reasoning_content"}


def _usage(told: Told) -> dict[str, Any]:
    return {
        "prompt_tokens": told.input_tokens,
        "completion_tokens": told.output_tokens,
        "total_tokens": told.input_tokens + told.output_tokens,
        "prompt_tokens_details": {"cached_tokens": told.cached_tokens},
        "completion_tokens_details": {"reasoning_tokens": told.reasoning_tokens},
    }


def _usage_of_deepseek(told: Told) -> dict[str, Any]:
    usage = _usage(told)
    usage["prompt_cache_hit_tokens"] = told.cached_tokens
    usage["prompt_cache_miss_tokens"] = told.input_tokens - told.cached_tokens
    return usage


def _usage_of_xai(told: Told) -> dict[str, Any]:
    """Return the counts of xAI: its completion tokens leave the reasoning out."""
    usage = {**_usage(told), "completion_tokens": told.output_tokens - told.reasoning_tokens}
    if told.cost_usd is not None:
        usage["cost_in_usd_ticks"] = round(told.cost_usd * _TICKS_PER_USD)
    return usage


def _usage_of_openrouter(told: Told) -> dict[str, Any]:
    return _usage(told) if told.cost_usd is None else {**_usage(told), "cost": told.cost_usd}


_USAGE: dict[str, Callable[[Told], dict[str, Any]]] = {
    "deepseek": _usage_of_deepseek,
    "xai": _usage_of_xai,
    "openrouter": _usage_of_openrouter,
}
