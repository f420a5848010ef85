"""What is known of providers: who answers, with which models, keys and limits, and what they cost us.

Catalogue facts (`catalogue.toml`), staff changes and the environment meet in these rows. Nothing here
knows of domains, runs or questions: usage is booked under the opaque id of the drain that made the calls.
"""

from providers.models.catalogue import CatalogueRow, LanguageModel, ModelPrice, Protocol, Provider, Tier
from providers.models.keys import ApiKey, KeyEvent, KeyModelPause
from providers.models.limits import LearnedLimit, Limit, LimitPool
from providers.models.usage import LatencyCount, UsageBucket

__all__ = [
    "ApiKey",
    "CatalogueRow",
    "KeyEvent",
    "KeyModelPause",
    "LanguageModel",
    "LatencyCount",
    "LearnedLimit",
    "Limit",
    "LimitPool",
    "ModelPrice",
    "Protocol",
    "Provider",
    "Tier",
    "UsageBucket",
]
