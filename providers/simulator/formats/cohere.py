"""Cohere's chat v2: content in blocks, counts as floats, billed units beside real tokens."""

from collections.abc import Mapping
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


class Cohere:
    """`POST …/v2/chat`. A refusal is ordinary text here; a blocked one is a status of its own."""

    means: ClassVar[dict[Ending, Outcome]] = {Ending.REFUSED: Outcome.ANSWERED}

    def asked(self, path: str, body: dict[str, Any]) -> Asked:
        """Return what a request asks; raises BadCall."""
        texts = texts_of_messages(body.get("messages"))
        return Asked(
            model=model_of(body),
            prompt=texts[-1],
            input_tokens=n_tokens_of(*texts),
            cap_tokens=cap_of(body, "max_tokens"),
            fields=frozenset(body),
        )

    def told(self, told: Told, manner: Mapping[str, str]) -> dict[str, Any]:
        """Return the body that answers it; it names no model."""
        thinking = {"type": "thinking", "thinking": "Thinking of an answer."}
        text = {"type": "text", "text": told.text}
        content = [thinking] * bool(told.reasoning_tokens) + [text] * bool(told.text)
        body: dict[str, Any] = {
            "id": told.id,
            "finish_reason": "MAX_TOKENS" if told.ending is Ending.TRUNCATED else "COMPLETE",
            "message": {"role": "assistant", "content": content},
        }
        if told.reports_usage:
            counts = {"input_tokens": float(told.input_tokens), "output_tokens": float(told.output_tokens)}
            body["usage"] = {
                "billed_units": counts,
                "tokens": dict(counts),
                "cached_tokens": float(told.cached_tokens),
            }
        return body

    def models(self, names: tuple[str, ...], manner: Mapping[str, str]) -> Any:
        """Return the list of models."""
        return {"models": [{"name": name, "endpoints": ["chat"], "finetuned": False} for name in names]}
