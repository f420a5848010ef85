"""Asks a server of one's own which models it has, when nobody named one."""

import logging

from django.db import transaction

from providers.models import LanguageModel, Provider, Tier
from providers.protocols.answer_fields import at_path, first_object
from providers.protocols.base import Failure, HttpRequest
from providers.protocols.headers import request_headers
from providers.rules.error_bodies import json_body
from providers.rules.secret import Secret
from providers.rules.text import clean_text
from providers.rules.urls import base_url_for, url_below
from providers.transport import send_once

logger = logging.getLogger(__name__)
TIMEOUT_S = 3.0
PLACEHOLDER = "default"  # servers with a single model answer to any name
DISCOVERED = "the server's own list of models"
_MAX_NAME_LENGTH = 120


def model_discover(*, provider: Provider, secret: Secret | None) -> str:
    """Make the server's first model the provider's default one, unless it has one already; returns its name.

    A server that does not answer gets a model named `default`, which the next discovery replaces.
    """
    defaults = LanguageModel.objects.filter(provider=provider, is_default=True)
    chosen = defaults.exclude(name=PLACEHOLDER).first()
    if chosen:
        return chosen.name
    name = first_model_name(provider, secret=secret) or PLACEHOLDER
    values = {"is_default": True, "tier": Tier.SLOW.value}
    with transaction.atomic():
        LanguageModel.objects.update_or_create(
            provider=provider,
            name=name,
            defaults={**values, "source": DISCOVERED, "catalogue_values": values},
        )
        if name != PLACEHOLDER:
            defaults.filter(name=PLACEHOLDER).update(is_default=False, source="", catalogue_values={})
    return name


def first_model_name(provider: Provider, *, secret: Secret | None) -> str:
    """Return the id of the first entry of `GET /models`, "" when there is none."""
    request = HttpRequest(
        method="GET",
        url=url_below(base_url_for(provider.base_url, provider.quirks), "/models"),
        headers=request_headers(auth_style=provider.auth_style, secret=secret, extra=provider.extra_headers),
        timeout_s=TIMEOUT_S,
    )
    answer = send_once(request)
    if isinstance(answer, Failure):
        logger.info("%s did not name its models: %s", provider.name, answer.message)
        return ""
    try:
        decoded = json_body(answer.body)
    except ValueError:
        return ""
    entries = decoded if isinstance(decoded, list) else at_path(decoded, "data")
    name = clean_text((first_object(entries) or {}).get("id")).strip()
    return name if len(name) <= _MAX_NAME_LENGTH else ""
