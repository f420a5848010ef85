"""Brings the keys of the environment into rows, so that they can be chosen, rested and counted like any other.

The rows hold the variable's name, never the secret. A provider that needs no key gets one empty key, since each
call is booked on a key.
"""

import logging

from django.conf import settings

from providers.environment import ProviderSettings
from providers.models import ApiKey, KeyEvent, Provider
from providers.pools import pool_default
from providers.rules.secret import Secret
from providers.secrets import field_cipher, last4_of
from providers.services.key_states import key_transition
from providers.services.simulation import is_pointed_at_simulator

logger = logging.getLogger(__name__)
ACTOR = "environment"
NO_KEY_FINGERPRINT = "none"
_GONE = "no longer in the environment"


def keys_sync_environment() -> None:
    """Make, find again and retire the keys that the environment holds. Safe to repeat; staff's choices stay."""
    for provider in Provider.objects.all():
        found = settings.PROVIDER_SETTINGS.get(provider.env_prefix, ProviderSettings())
        if is_pointed_at_simulator(provider):
            if found.keys:
                logger.warning(
                    "%s is simulated: its keys in the environment stay unused until"
                    " `manage.py simulate_providers --restore`.",
                    provider.name,
                )
            continue
        present = {_key_sync(provider, name=name, secret=secret) for name, secret in found.keys.items()}
        _retire_missing(provider, present)
        if not provider.needs_key:
            _empty_key_sync(provider)


def _key_sync(provider: Provider, *, name: str, secret: Secret) -> int:
    """Return the id of the provider's row for this secret: known under any name, or new."""
    prints = field_cipher().fingerprints(secret)
    key = ApiKey.objects.filter(provider=provider, fingerprint__in=prints).first()
    if key is None:
        return _key_make(provider, name=name, secret=secret, fingerprint=prints[0])
    if key.source == ApiKey.Source.ENVIRONMENT:
        if key.environment_name != name and key.environment_name not in _names_of(provider, secret):
            ApiKey.objects.filter(pk=key.pk).update(environment_name=name, label=name)
        if key.state == ApiKey.State.DISABLED and key.state_reason == _GONE:
            key_transition(
                key_id=key.pk, to_state=ApiKey.State.ACTIVE, cause="in the environment again", actor=ACTOR
            )
    return key.pk


def _key_make(provider: Provider, *, name: str, secret: Secret, fingerprint: str) -> int:
    key = ApiKey.objects.create(
        provider=provider,
        pool=pool_default(provider),
        label=name,
        source=ApiKey.Source.ENVIRONMENT,
        environment_name=name,
        last4=last4_of(secret),
        fingerprint=fingerprint,
    )
    KeyEvent.objects.create(key=key, to_state=key.state, cause=f"found in {name}", actor=ACTOR)
    return key.pk


def _names_of(provider: Provider, secret: Secret) -> set[str]:
    """Return the variables that hold this secret: one key may stand under two names."""
    found = settings.PROVIDER_SETTINGS[provider.env_prefix].keys
    return {name for name, held in found.items() if held == secret}


def _retire_missing(provider: Provider, present: set[int]) -> None:
    held = ApiKey.objects.filter(provider=provider, source=ApiKey.Source.ENVIRONMENT)
    for key in held.exclude(pk__in=present).exclude(state=ApiKey.State.DISABLED):
        key_transition(key_id=key.pk, to_state=ApiKey.State.DISABLED, cause=_GONE, actor=ACTOR)


def _empty_key_sync(provider: Provider) -> None:
    key, is_new = ApiKey.objects.get_or_create(
        provider=provider,
        fingerprint=NO_KEY_FINGERPRINT,
        defaults={"pool": pool_default(provider), "label": "no key needed", "source": ApiKey.Source.NONE},
    )
    if is_new:
        KeyEvent.objects.create(
            key=key, to_state=key.state, cause="the provider needs no key", actor="catalogue"
        )
