"""How many tokens a question will use, before it is asked: from its length and from what such questions used.

A limit over tokens needs a figure at the start; it is settled to the real one when the answer came.
"""

from collections import deque
from dataclasses import dataclass, field

TOKENS_PER_BYTE = 0.3  # English has about 0.25; a first guess on the safe side
OVERHEAD_TOKENS = 12  # roles and separators that providers add
ENOUGH_ANSWERS = 5  # from then on history counts more than the output cap
REMEMBERED = 30
MARGIN = 1.05


@dataclass(frozen=True, slots=True)
class Tokens:
    """Input and output tokens of one call."""

    input: int = 0
    output: int = 0

    @property
    def total(self) -> int:
        """Both together."""
        return self.input + self.output

    def of(self, what: str) -> int:
        """Return what counts against a limit of this kind: 1 for `requests`."""
        return {"input_tokens": self.input, "output_tokens": self.output, "tokens": self.total}.get(what, 1)

    def at_least(self, other: "Tokens") -> "Tokens":
        """Return the larger of each."""
        return Tokens(max(self.input, other.input), max(self.output, other.output))


NO_TOKENS = Tokens()


@dataclass(slots=True)
class History:
    """What the latest answers of one prompt × model used: tokens per byte asked, and tokens answered."""

    input_per_byte: deque[float] = field(default_factory=lambda: deque(maxlen=REMEMBERED))
    output: deque[int] = field(default_factory=lambda: deque(maxlen=REMEMBERED))

    def add(self, *, n_bytes: int, input_tokens: int | None, output_tokens: int | None) -> None:
        """Remember one answer; counts that the provider did not give teach nothing."""
        if input_tokens and n_bytes:
            self.input_per_byte.append(input_tokens / n_bytes)
        if output_tokens:
            self.output.append(output_tokens)

    def estimate(self, *, n_bytes: int, output_cap: int) -> Tokens:
        """Return what a question of `n_bytes` will use at most, as far as one can know.

        Worked example without history: 100 bytes and a cap of 2,000 → 42 input and 2,000 output tokens.
        """
        if len(self.input_per_byte) >= ENOUGH_ANSWERS:
            input_tokens = n_bytes * max(self.input_per_byte) * MARGIN
        else:
            input_tokens = n_bytes * TOKENS_PER_BYTE + OVERHEAD_TOKENS
        output_tokens = float(output_cap)
        if len(self.output) >= ENOUGH_ANSWERS:
            output_tokens = min(output_tokens, max(self.output) * MARGIN)
        return Tokens(round(input_tokens), max(1, round(output_tokens)))
