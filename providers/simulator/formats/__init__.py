"""The wire formats from the provider's side, by the names that the catalogue uses."""

from providers.simulator.formats.anthropic import Anthropic
from providers.simulator.formats.base import Format
from providers.simulator.formats.cohere import Cohere
from providers.simulator.formats.gemini import Gemini
from providers.simulator.formats.openai_chat import OpenAIChat
from providers.simulator.formats.openai_responses import OpenAIResponses

FORMATS: dict[str, Format] = {
    "openai_chat": OpenAIChat(),
    "openai_responses": OpenAIResponses(),
    "anthropic": Anthropic(),
    "gemini": Gemini(),
    "cohere": Cohere(),
}
