"""Brings stored keys under the newest master key, online and in batches, so that old master keys can be dropped.

A key in use stays in use: each row changes by compare-and-set on its ciphertext, and every process that knows both
master keys reads either. Safe to repeat and to interrupt.
"""

from dataclasses import dataclass

from django.views.decorators.debug import sensitive_variables

from providers.errors import Unreadable
from providers.models import ApiKey
from providers.secrets import field_cipher

BATCH = 200


@dataclass(slots=True)
class Reencryption:
    """How many keys were changed, were under the newest master key already, could not be read, or changed meanwhile."""

    changed: int = 0
    up_to_date: int = 0
    unreadable: int = 0
    raced: int = 0


def keys_reencrypt() -> Reencryption:
    """Encrypt every stored key with the newest master key; fingerprints follow, so that duplicates are still found."""
    result = Reencryption()
    last_pk = 0
    while True:
        stored = ApiKey.objects.filter(source=ApiKey.Source.STAFF, pk__gt=last_pk).order_by("pk")
        batch = list(stored.only("pk", "uid", "ciphertext", "fingerprint")[:BATCH])
        if not batch:
            return result
        last_pk = batch[-1].pk
        for key in batch:
            _reencrypt(key, result)


@sensitive_variables()
def _reencrypt(key: ApiKey, result: Reencryption) -> None:
    cipher = field_cipher()
    try:
        secret = cipher.decrypt(key.ciphertext, uid=key.uid)
    except Unreadable:
        result.unreadable += 1
        return
    fingerprint = cipher.fingerprints(secret)[0]
    if cipher.is_newest(key.ciphertext) and key.fingerprint == fingerprint:
        result.up_to_date += 1
        return
    row = ApiKey.objects.filter(pk=key.pk, ciphertext=key.ciphertext)
    is_changed = row.update(ciphertext=cipher.encrypt(secret, uid=key.uid), fingerprint=fingerprint)
    result.changed += is_changed
    result.raced += not is_changed
