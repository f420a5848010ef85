"""Anthropic's messages: text in blocks, cached tokens beside the input tokens, a refusal as a stop reason."""

from collections.abc import Mapping
from typing import Any, ClassVar

from providers.protocols.base import Outcome
from providers.simulator.formats.base import (
    Asked,
    BadCall,
    Ending,
    Told,
    cap_of,
    model_of,
    n_tokens_of,
    text_of,
    texts_of_messages,
)

_STOPS = {Ending.TRUNCATED: "max_tokens", Ending.REFUSED: "refusal", Ending.BLOCKED: "refusal"}


class Anthropic:
    """`POST …/v1/messages`."""

    means: ClassVar[dict[Ending, Outcome]] = {Ending.BLOCKED: Outcome.REFUSED}

    def asked(self, path: str, body: dict[str, Any]) -> Asked:
        """Return what a request asks; raises BadCall."""
        messages = body.get("messages")
        texts = texts_of_messages(messages)
        if any(one.get("role") not in ("user", "assistant") for one in messages or ()):
            raise BadCall("role")  # the system text stands on top
        return Asked(
            model=model_of(body),
            prompt=texts[-1],
            input_tokens=n_tokens_of(text_of(body.get("system") or ""), *texts),
            cap_tokens=cap_of(body, "max_tokens"),
            fields=frozenset(body),
        )

    def told(self, told: Told, manner: Mapping[str, str]) -> dict[str, Any]:
        """Return the body that answers it; what it thought comes first."""
        thinking = {"type": "thinking", "thinking": "Thinking of an answer.", "signature": told.id}
        text = {"type": "text", "text": told.text, "citations": None}
        is_refusal = told.ending in (Ending.REFUSED, Ending.BLOCKED)
        body: dict[str, Any] = {
            "id": f"msg_{told.id}",
            "type": "message",
            "role": "assistant",
            "model": told.model,
            "content": [thinking] * bool(told.reasoning_tokens) + [text] * bool(told.text and not is_refusal),
            "stop_reason": _STOPS.get(told.ending, "end_turn"),
            "stop_sequence": None,
            "stop_details": {"type": "refusal", "category": None, "explanation": None}
            if is_refusal
            else None,
        }
        # A server without counts of its own: the format always has the field.
        n = told if told.reports_usage else None
        body["usage"] = {
            "input_tokens": n.input_tokens - n.cached_tokens if n else None,
            "output_tokens": n.output_tokens if n else None,
            "cache_creation_input_tokens": 0,
            "cache_read_input_tokens": n.cached_tokens if n else None,
            "output_tokens_details": {"thinking_tokens": n.reasoning_tokens if n else None},
            "service_tier": "standard",
        }
        return body

    def models(self, names: tuple[str, ...], manner: Mapping[str, str]) -> Any:
        """Return the list of models."""
        entries = [
            {"type": "model", "id": name, "display_name": name, "created_at": "2026-01-01T00:00:00Z"}
            for name in names
        ]
        ends = {"first_id": names[0] if names else None, "last_id": names[-1] if names else None}
        return {"data": entries, "has_more": False, **ends}
