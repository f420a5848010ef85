"""Encrypts provider keys for the database, each bound to its row, and recognises a key that is entered twice.

AES-GCM with the row's uid as associated data: a ciphertext copied into another row does not decrypt. Master keys
have ids, so that old rows stay readable while a new master key encrypts. Where master keys come from is a
matter of the settings.
"""

import base64
import hashlib
import hmac
import os
from collections.abc import Mapping
from uuid import UUID

from cryptography.exceptions import InvalidTag
from cryptography.hazmat.primitives.ciphers.aead import AESGCM
from django.conf import settings
from django.views.decorators.debug import sensitive_variables

from providers.errors import Unreadable
from providers.models import ApiKey
from providers.rules.secret import Secret

_VERSION = "v1"
_NONCE_BYTES = 12
_FINGERPRINT_USE = b"providers.fingerprint"


class FieldCipher:
    """Encrypts with the newest of several master keys (key id → 32 bytes, newest first), decrypts with any."""

    def __init__(self, master_keys: Mapping[str, bytes]) -> None:
        self._master_keys = dict(master_keys)

    @sensitive_variables()
    def encrypt(self, secret: Secret, *, uid: UUID, field: str = "ciphertext") -> str:
        """Return `v1:<key id>:<nonce>:<ciphertext>`, bound to the row and field."""
        key_id, master_key = next(iter(self._master_keys.items()))
        nonce = os.urandom(_NONCE_BYTES)
        sealed = AESGCM(master_key).encrypt(nonce, secret.reveal().encode(), _bound_to(uid, field))
        return ":".join((_VERSION, key_id, _base64(nonce), _base64(sealed)))

    @sensitive_variables()
    def decrypt(self, token: str, *, uid: UUID, field: str = "ciphertext") -> Secret:
        """Return the secret of a token made by `encrypt` for the same row and field; raises Unreadable."""
        version, *rest = token.split(":")
        if version != _VERSION or len(rest) != 3:
            raise Unreadable("The stored key has an unknown form.")
        key_id, nonce, sealed = rest
        if key_id not in self._master_keys:
            raise Unreadable(f"The master key {key_id[:20]!r} is not among FIELD_ENCRYPTION_KEYS.")
        try:
            cipher = AESGCM(self._master_keys[key_id])
            plain = cipher.decrypt(_unbase64(nonce), _unbase64(sealed), _bound_to(uid, field))
            return Secret(plain.decode())
        except (InvalidTag, ValueError):
            raise Unreadable("The stored key was changed, or belongs to another row.") from None

    def is_newest(self, token: str) -> bool:
        """Return whether a token was made with the newest master key."""
        return token.split(":")[:2] == [_VERSION, next(iter(self._master_keys))]

    @sensitive_variables()
    def fingerprints(self, secret: Secret) -> list[str]:
        """Return the HMAC of the secret under each master key, newest first: equal keys share one of them."""
        return [
            hmac.new(
                hmac.digest(master_key, _FINGERPRINT_USE, "sha256"), secret.reveal().encode(), hashlib.sha256
            ).hexdigest()
            for master_key in self._master_keys.values()
        ]


def field_cipher() -> FieldCipher:
    """Return the cipher with this installation's master keys (`FIELD_ENCRYPTION_KEYS`)."""
    return FieldCipher(settings.FIELD_ENCRYPTION_KEYS)


def secret_of(key: ApiKey) -> Secret | None:
    """Return the secret of a key (with its provider loaded), None when it needs none; raises Unreadable."""
    if key.source == ApiKey.Source.NONE:
        return None
    if key.source == ApiKey.Source.STAFF:
        return field_cipher().decrypt(key.ciphertext, uid=key.uid)
    provider_settings = settings.PROVIDER_SETTINGS.get(key.provider.env_prefix)
    secret = provider_settings.keys.get(key.environment_name) if provider_settings else None
    if secret is None:
        raise Unreadable(f"{key.environment_name} is not in the environment of this process.")
    return secret


def last4_of(secret: Secret) -> str:
    """Return the last four characters, "" when the secret is so short that they would give much of it away."""
    plain = secret.reveal()
    return plain[-4:] if len(plain) >= 12 else ""


def _bound_to(uid: UUID, field: str) -> bytes:
    return f"{uid}:{field}".encode()


def _base64(raw: bytes) -> str:
    return base64.urlsafe_b64encode(raw).decode()


def _unbase64(text: str) -> bytes:
    return base64.urlsafe_b64decode(text)
