"""OpenAI's chat completions format, which most providers and local servers speak.

Quirks known here, beside those that all formats know: `cached_path`, `reasoning_outside_output`,
`has_think_tags`.
"""

from typing import Any

from providers.protocols.answer_fields import first_object, joined_text, n_tokens
from providers.protocols.base import Ask, Failure, Outcome, Reply, Target
from providers.protocols.citations import citations
from providers.protocols.json_protocol import Answer, JsonProtocol, ended
from providers.rules.text import answer_text, clean_text

_MEANING = {
    **dict.fromkeys(("length", "model_length", "max_tokens"), Outcome.TRUNCATED),
    **dict.fromkeys(("content_filter", "moderation"), Outcome.BLOCKED),
    **dict.fromkeys(("insufficient_system_resource", "error"), Outcome.OVERLOADED),
}


class OpenAIChat(JsonProtocol):
    """Speaks `POST /chat/completions`."""

    cap_fields = ("max_completion_tokens", "max_tokens")

    def question(self, ask: Ask, target: Target) -> dict[str, Any]:
        """Return the model and the messages."""
        return {"model": target.model, "messages": chat_messages(ask)}

    def error_within(self, decoded: Any) -> dict[str, Any] | None:
        """Return the error of the body, or of its first choice, where a router puts its upstream's."""
        if error := super().error_within(decoded):
            return error
        choice = first_object(decoded.get("choices")) if isinstance(decoded, dict) else None
        return choice if choice and choice.get("error") else None

    def read(self, answer: Answer) -> Reply | Failure:
        """Return what the first choice says."""
        choice = first_object(answer.decoded.get("choices"))
        if choice is None:
            return answer.malformed("JSON without choices")
        finish_reason = clean_text(choice.get("finish_reason"), max_length=40)
        message = choice.get("message")
        message = message if isinstance(message, dict) else {}
        has_think_tags = bool(answer.target.quirks.get("has_think_tags"))
        text = answer_text(_content(message.get("content")), has_think_tags=has_think_tags)
        refusal = answer_text(clean_text(message.get("refusal")))
        outcome = Outcome.REFUSED if refusal else ended(finish_reason, text, _MEANING)
        if outcome is Outcome.OVERLOADED:
            return answer.gave_up(finish_reason)
        return answer.reply(
            outcome,
            refusal or text,
            finish_reason=finish_reason,
            model=answer.decoded.get("model"),
            citations=citations(message.get("annotations")),
            **_usage(answer),
        )


def chat_messages(ask: Ask) -> list[dict[str, str]]:
    """Return the question as messages, after the system's when there is one."""
    system = [{"role": "system", "content": ask.system_text}] if ask.system_text else []
    return [*system, {"role": "user", "content": ask.text}]


def _content(content: Any) -> str:
    return content if isinstance(content, str) else joined_text(content, of_type="text")


def _usage(answer: Answer) -> dict[str, int | None]:
    decoded, quirks = answer.decoded, answer.target.quirks
    output = n_tokens(decoded, "usage.completion_tokens")
    reasoning = n_tokens(decoded, "usage.completion_tokens_details.reasoning_tokens")
    if quirks.get("reasoning_outside_output") and output is not None:
        output += reasoning or 0
    cached_path = quirks.get("cached_path", "usage.prompt_tokens_details.cached_tokens")
    return {
        "input_tokens": n_tokens(decoded, "usage.prompt_tokens"),
        "output_tokens": output,
        "reasoning_tokens": reasoning,
        "cached_tokens": n_tokens(decoded, cached_path),
    }
