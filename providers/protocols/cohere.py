"""Cohere's chat format, version 2: messages as elsewhere, but contents are lists and counts are floats."""

from typing import Any

from providers.protocols.answer_fields import at_path, joined_text, n_tokens
from providers.protocols.base import Ask, Failure, Outcome, Reply, Target
from providers.protocols.json_protocol import Answer, JsonProtocol, ended
from providers.protocols.openai_chat import chat_messages
from providers.rules.text import answer_text, clean_text

_MEANING = {
    "MAX_TOKENS": Outcome.TRUNCATED,
    "ERROR_TOXIC": Outcome.BLOCKED,
    **dict.fromkeys(("ERROR", "TIMEOUT"), Outcome.OVERLOADED),
}


class Cohere(JsonProtocol):
    """Speaks `POST /v2/chat`."""

    def question(self, ask: Ask, target: Target) -> dict[str, Any]:
        """Return the model and the messages."""
        return {"model": target.model, "messages": chat_messages(ask)}

    def error_within(self, decoded: Any) -> dict[str, Any] | None:
        """Return the error of a body, which here is a bare `message` text where an answer has an object."""
        is_error = isinstance(decoded, dict) and isinstance(decoded.get("message"), str)
        return decoded if is_error else super().error_within(decoded)

    def read(self, answer: Answer) -> Reply | Failure:
        """Return what the text parts of the message say; others hold thinking."""
        decoded = answer.decoded
        if not isinstance(decoded.get("message"), dict):
            return answer.malformed("JSON without a message")
        finish_reason = clean_text(decoded.get("finish_reason"), max_length=40)
        text = answer_text(joined_text(at_path(decoded, "message.content"), of_type="text"))
        outcome = ended(finish_reason, text, _MEANING)
        if outcome is Outcome.OVERLOADED:
            return answer.gave_up(finish_reason)
        return answer.reply(
            outcome,
            text,
            finish_reason=finish_reason,
            model=decoded.get("model"),
            input_tokens=_billed(decoded, "input_tokens"),
            output_tokens=_billed(decoded, "output_tokens"),
            cached_tokens=n_tokens(decoded, "usage.cached_tokens"),
        )


def _billed(decoded: dict[str, Any], name: str) -> int | None:
    """Return the billed count, else the real one: the difference is what the provider adds to a prompt."""
    billed = n_tokens(decoded, f"usage.billed_units.{name}")
    return n_tokens(decoded, f"usage.tokens.{name}") if billed is None else billed
