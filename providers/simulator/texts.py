"""The text of simulated answers: of any length, plain ASCII, and recognisable as what it is."""

from providers.simulator.specs import CHARACTERS_PER_TOKEN

_SENTENCES = (
    "It is known to many people who use it every day. Others see it with doubt, and say why. "
    "Its prices are compared with those of its rivals, which differ by country. "
    "Support answers within a day as a rule; there are exceptions. "
    "Of its history, three dates are named again and again. "
)
_LONG_TEXT = _SENTENCES * 400


def answer_of(*, name: str, model: str, n_tokens: int) -> str:
    """Return a text of so many tokens that names the call and the model."""
    n = n_tokens * CHARACTERS_PER_TOKEN
    text = f"Simulated answer {name} of {model}. "
    while len(text) < n:
        text += _LONG_TEXT[: n - len(text)]
    return text[:n]
