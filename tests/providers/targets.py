"""Targets for tests of protocols, made of the real catalogue, so that its quirks are tested with them."""

from typing import Any

from providers.environment import catalogue_entries
from providers.protocols.base import Target


def make_target(provider: str = "openai", **values: Any) -> Target:
    """Make a target of the provider's default model, as the catalogue describes both."""
    entry = next(one for one in catalogue_entries() if one["name"] == provider)
    models: list[dict[str, Any]] = entry.get("models", [])
    model: dict[str, Any] = next((one for one in models if one["is_default"]), {"name": "default"})
    usual = {
        "provider": provider,
        "protocol": entry["protocol"],
        "base_url": entry["base_url"],
        "chat_path": entry["chat_path"],
        "auth_style": entry["auth_style"],
        "model": model["name"],
        "output_cap_field": entry["output_cap_field"],
        "timeout_s": 60.0,
        "extra_headers": entry.get("extra_headers", {}),
        "request_options": {**entry.get("extra_body", {}), **model.get("request_options", {})},
        "accepts_temperature": model.get("accepts_temperature", False),
        "quirks": entry.get("quirks", {}),
        "price_provider": entry.get("price_provider", ""),
    }
    return Target(**{**usual, **values})
