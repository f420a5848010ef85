"""Google's generateContent format: the model stands in the address, the answer in parts of a candidate.

Thinking is turned down by the catalogue's request options (`generationConfig.thinkingConfig`), which are merged
into what is sent at every level. A prompt that is blocked has no candidates at all.
"""

from typing import Any

from providers.protocols.answer_fields import at_path, first_object, n_tokens, objects
from providers.protocols.base import Ask, Failure, Outcome, Reply, Target
from providers.protocols.citations import citations
from providers.protocols.json_protocol import Answer, JsonProtocol, ended
from providers.rules.text import answer_text, clean_text

_MEANING = {
    # CONTINUATION: a call that does not stream stops there and wants to be continued
    **dict.fromkeys(("MAX_TOKENS", "CONTINUATION"), Outcome.TRUNCATED),
    **dict.fromkeys(
        (
            "SAFETY", "RECITATION", "LANGUAGE", "BLOCKLIST", "PROHIBITED_CONTENT", "SPII", "MODEL_ARMOR", "JAILBREAK",
            "IMAGE_SAFETY", "IMAGE_PROHIBITED_CONTENT", "IMAGE_RECITATION", "IMAGE_OTHER",
        ),
        Outcome.BLOCKED,
    ),
    **dict.fromkeys(("OTHER", "MALFORMED_RESPONSE"), Outcome.OVERLOADED),
}  # fmt: skip


class Gemini(JsonProtocol):
    """Speaks `POST /models/{model}:generateContent`."""

    temperature_field = "generationConfig.temperature"

    def question(self, ask: Ask, target: Target) -> dict[str, Any]:
        """Return the question and the system's text, each as parts."""
        system = {"systemInstruction": {"parts": [{"text": ask.system_text}]}} if ask.system_text else {}
        return {**system, "contents": [{"role": "user", "parts": [{"text": ask.text}]}]}

    def read(self, answer: Answer) -> Reply | Failure:
        """Return what the first candidate says, without its thoughts; or why there is none."""
        decoded = answer.decoded
        block_reason = clean_text(at_path(decoded, "promptFeedback.blockReason"), max_length=40)
        candidate = first_object(decoded.get("candidates")) or {}
        if not (candidate or block_reason or decoded.get("usageMetadata")):
            return answer.malformed("JSON without candidates")
        text = _text(candidate)
        finish_reason = clean_text(candidate.get("finishReason"), max_length=40)
        outcome = ended(finish_reason, text, _MEANING)
        if block_reason and not candidate:
            outcome, finish_reason = Outcome.BLOCKED, block_reason
        if outcome is Outcome.OVERLOADED:
            return answer.gave_up(finish_reason)
        return answer.reply(
            outcome,
            text,
            finish_reason=finish_reason,
            model=decoded.get("modelVersion"),
            citations=citations(at_path(candidate, "groundingMetadata.groundingChunks")),
            input_tokens=_sum(decoded, "promptTokenCount", "toolUsePromptTokenCount"),
            output_tokens=_sum(decoded, "candidatesTokenCount", "thoughtsTokenCount"),
            reasoning_tokens=n_tokens(decoded, "usageMetadata.thoughtsTokenCount"),
            cached_tokens=n_tokens(decoded, "usageMetadata.cachedContentTokenCount"),
        )


def _text(candidate: dict[str, Any]) -> str | None:
    parts = objects(at_path(candidate, "content.parts"))
    return answer_text(
        "".join(clean_text(part.get("text")) for part in parts if part.get("thought") is not True)
    )


def _sum(decoded: dict[str, Any], *names: str) -> int | None:
    """Return counts added up; one that is 0 is left out by the provider, so all are unknown only without usage."""
    if n_tokens(decoded, "usageMetadata.promptTokenCount") is None:
        return None
    return sum(n_tokens(decoded, f"usageMetadata.{name}") or 0 for name in names)
