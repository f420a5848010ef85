"""How many output tokens a model is allowed for one question: those of the answer, and room to think before it.

Thinking counts against the cap, so a model whose thinking cannot be turned off would spend a small cap without
a word said. Nothing here turns thinking down: the catalogue's request options do.
"""

from providers.protocols.base import Target


def output_cap(target: Target, asked_tokens: int) -> int:
    """Return the cap to send: what is asked for and the model's room to think, never above the model's own cap.

    Worked example: 2,000 asked of a model with a room of 4,000 → 6,000; with a cap of its own of 4,096 → 4,096.
    """
    rooms: dict[str, int] = target.quirks.get("thinking_room_tokens", {})
    cap = asked_tokens + rooms.get(target.model, 0)
    return min(cap, target.max_output_tokens or cap)
