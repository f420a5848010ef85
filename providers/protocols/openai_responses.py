"""OpenAI's responses format, as providers speak it whose models search before they answer.

Tools and their choice are the catalogue's (`extra_body`). An answer that failed comes with status 200.
Quirks known here, beside those that all formats know: `cached_path`.
"""

from typing import Any

from providers.protocols.answer_fields import at_path, joined_text, n_tokens, objects
from providers.protocols.base import Ask, Failure, Outcome, Reply, Target
from providers.protocols.citations import citations
from providers.protocols.json_protocol import Answer, JsonProtocol, ended
from providers.rules.text import answer_text, clean_text

_MEANING = {
    # `incomplete` without a reason: it is cut off, whatever cut it
    **dict.fromkeys(("max_output_tokens", "max_tokens", "length", "incomplete"), Outcome.TRUNCATED),
    "content_filter": Outcome.BLOCKED,
    **dict.fromkeys(("failed", "cancelled"), Outcome.OVERLOADED),
}


class OpenAIResponses(JsonProtocol):
    """Speaks `POST /v1/responses`."""

    def question(self, ask: Ask, target: Target) -> dict[str, Any]:
        """Return the model, the question as input and the system's text as instructions."""
        system = {"instructions": ask.system_text} if ask.system_text else {}
        return {"model": target.model, **system, "input": ask.text}

    def read(self, answer: Answer) -> Reply | Failure:
        """Return what the messages among the outputs say together, with the sources of all."""
        decoded = answer.decoded
        if not isinstance(decoded.get("output"), list) and not decoded.get("status"):
            return answer.malformed("JSON without output")
        outputs = objects(decoded.get("output"))
        contents = [
            part for one in outputs if one.get("type") == "message" for part in objects(one.get("content"))
        ]
        text = answer_text(joined_text(contents, of_type="output_text"))
        refusal = answer_text("".join(clean_text(part.get("refusal")) for part in contents))
        finish_reason = _finish_reason(decoded)
        outcome = Outcome.REFUSED if refusal and not text else ended(finish_reason, text, _MEANING)
        if outcome is Outcome.OVERLOADED:
            return answer.gave_up(finish_reason)
        cached_path = answer.target.quirks.get("cached_path", "usage.input_tokens_details.cached_tokens")
        return answer.reply(
            outcome,
            text or refusal,
            finish_reason=finish_reason,
            model=decoded.get("model"),
            citations=citations(
                *(part.get("annotations") for part in contents),
                *(one.get(name) for one in outputs for name in ("results", "contents")),  # searched, fetched
            ),
            input_tokens=n_tokens(decoded, "usage.input_tokens"),
            output_tokens=n_tokens(decoded, "usage.output_tokens"),
            reasoning_tokens=n_tokens(decoded, "usage.output_tokens_details.reasoning_tokens"),
            cached_tokens=n_tokens(decoded, cached_path),
        )


def _finish_reason(decoded: dict[str, Any]) -> str:
    """Return why the answer is incomplete, else its status."""
    reason = at_path(decoded, "incomplete_details.reason") or decoded.get("status")
    return clean_text(reason, max_length=40)
