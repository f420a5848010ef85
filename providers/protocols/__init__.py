"""The wire formats, each a module of pure functions, and the table that finds them by name."""

from providers.protocols.anthropic import Anthropic
from providers.protocols.base import WireProtocol
from providers.protocols.cohere import Cohere
from providers.protocols.gemini import Gemini
from providers.protocols.openai_chat import OpenAIChat
from providers.protocols.openai_responses import OpenAIResponses

_PROTOCOLS: dict[str, WireProtocol] = {
    "openai_chat": OpenAIChat(),
    "openai_responses": OpenAIResponses(),
    "anthropic": Anthropic(),
    "gemini": Gemini(),
    "cohere": Cohere(),
}


class ProtocolNotBuilt(LookupError):
    """The wire format is not supported yet, so models behind it cannot be asked."""


def protocol_is_built(name: str) -> bool:
    """Return whether models behind this wire format can be asked."""
    return name in _PROTOCOLS


def protocol_for(name: str) -> WireProtocol:
    """Return the protocol of this name; raises ProtocolNotBuilt."""
    try:
        return _PROTOCOLS[name]
    except KeyError:
        raise ProtocolNotBuilt(f"The wire format {name!r} is not supported yet.") from None
