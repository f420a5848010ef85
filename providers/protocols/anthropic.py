"""Anthropic's messages format: the system's text stands apart, the answer is a list of blocks.

Thinking and effort are turned down by the catalogue's request options, since models differ in what they take.
`max_tokens` includes thinking and cannot be left out.
"""

from typing import Any

from providers.protocols.answer_fields import at_path, joined_text, n_tokens, objects, sum_tokens
from providers.protocols.base import Ask, Failure, Outcome, Reply, Target
from providers.protocols.citations import citations
from providers.protocols.json_protocol import Answer, JsonProtocol, ended
from providers.rules.text import answer_text, clean_text

_MEANING = {
    **dict.fromkeys(("max_tokens", "model_context_window_exceeded"), Outcome.TRUNCATED),
    "refusal": Outcome.REFUSED,
    "pause_turn": Outcome.OVERLOADED,  # the server paused its own tools in the middle
}


class Anthropic(JsonProtocol):
    """Speaks `POST /v1/messages`."""

    required_fields = frozenset({"max_tokens"})

    def question(self, ask: Ask, target: Target) -> dict[str, Any]:
        """Return the model, the question and, at the top level, the system's text."""
        system = {"system": ask.system_text} if ask.system_text else {}
        return {"model": target.model, **system, "messages": [{"role": "user", "content": ask.text}]}

    def read(self, answer: Answer) -> Reply | Failure:
        """Return what the text blocks say together; the first block is often thinking."""
        decoded = answer.decoded
        content = decoded.get("content")
        if not isinstance(content, list) and not decoded.get("stop_reason"):
            return answer.malformed("JSON without content")
        finish_reason = clean_text(decoded.get("stop_reason"), max_length=40)
        text = answer_text(joined_text(content, of_type="text"))
        outcome = ended(finish_reason, text, _MEANING)
        if outcome is Outcome.OVERLOADED:
            return answer.gave_up(finish_reason)
        if outcome is Outcome.REFUSED and text is None:
            text = answer_text(clean_text(at_path(decoded, "stop_details.explanation")))
        return answer.reply(
            outcome,
            text,
            finish_reason=finish_reason,
            model=decoded.get("model"),
            citations=citations(*(block.get("citations") for block in objects(content))),
            input_tokens=sum_tokens(
                decoded,
                "usage.input_tokens",  # leaves out what the cache took and gave
                "usage.cache_creation_input_tokens",
                "usage.cache_read_input_tokens",
            ),
            output_tokens=n_tokens(decoded, "usage.output_tokens"),
            reasoning_tokens=n_tokens(decoded, "usage.output_tokens_details.thinking_tokens"),
            cached_tokens=n_tokens(decoded, "usage.cache_read_input_tokens"),
        )
