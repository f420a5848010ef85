"""What every simulated wire format does: read what is asked, write what is answered. Pure; errors stand elsewhere."""

from collections.abc import Mapping
from dataclasses import dataclass
from enum import StrEnum
from typing import Any, ClassVar, Protocol

from providers.protocols.base import Outcome
from providers.simulator.specs import CHARACTERS_PER_TOKEN


class Ending(StrEnum):
    """How an answer ends."""

    DONE = "done"
    TRUNCATED = "truncated"
    REFUSED = "refused"
    BLOCKED = "blocked"
    EMPTY = "empty"


class BadCall(ValueError):
    """The request is not one of this format."""


@dataclass(frozen=True, slots=True)
class Asked:
    """What a request asks. `fields` are the names of all that it sets; `cap_tokens` None: no cap."""

    model: str
    prompt: str
    input_tokens: int
    cap_tokens: int | None
    fields: frozenset[str]


@dataclass(frozen=True, slots=True)
class Told:
    """What is answered. `output_tokens` include the reasoning, `input_tokens` the cached ones."""

    id: str
    created_s: int
    model: str
    text: str
    ending: Ending
    input_tokens: int
    output_tokens: int
    reasoning_tokens: int = 0
    cached_tokens: int = 0
    cost_usd: float | None = None
    reports_usage: bool = True


class Format(Protocol):
    """A wire format. Differences between providers that share one come as `manner`, from `dialects.toml`.

    `means`: what endings mean where the format cannot say them as they are.
    """

    means: ClassVar[dict[Ending, Outcome]]

    def asked(self, path: str, body: dict[str, Any]) -> Asked:
        """Return what a request asks; raises BadCall."""

    def told(self, told: Told, manner: Mapping[str, str]) -> dict[str, Any]:
        """Return the body that answers it."""

    def models(self, names: tuple[str, ...], manner: Mapping[str, str]) -> Any:
        """Return the body of the list of models."""


def n_tokens_of(*texts: str) -> int:
    """Return how many tokens texts count as: four characters each, rounded up; an empty one counts 0."""
    return -(-sum(map(len, texts)) // CHARACTERS_PER_TOKEN)


def text_of(content: Any) -> str:
    """Return the text of a content that is a string or a list of parts."""
    if isinstance(content, str):
        return content
    if not isinstance(content, list):
        raise BadCall("content")
    parts = [part.get("text", "") for part in content if isinstance(part, dict)]
    return "".join(part for part in parts if isinstance(part, str))


def texts_of_messages(messages: Any) -> list[str]:
    """Return the texts of a list of messages; raises BadCall when it is none."""
    if not isinstance(messages, list) or not messages or not all(isinstance(one, dict) for one in messages):
        raise BadCall("messages")
    return [text_of(one.get("content")) for one in messages]


def model_of(body: dict[str, Any]) -> str:
    """Return the model that a body names; raises BadCall."""
    model = body.get("model")
    if not isinstance(model, str) or not model:
        raise BadCall("model")
    return model


def cap_of(body: dict[str, Any], *names: str) -> int | None:
    """Return the cap that a body sets under one of these names; raises BadCall when it is no positive number."""
    for name in names:
        cap = body.get(name)
        if cap is not None:
            if not isinstance(cap, int) or cap < 1:
                raise BadCall(name)
            return cap
    return None
