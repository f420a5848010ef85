"""A new master key: stored keys move to it while they are in use."""

from typing import Any

import pytest
from django.core.management import CommandError, call_command

from providers.errors import DuplicateKey
from providers.models import ApiKey
from providers.rules.secret import Secret
from providers.secrets import secret_of
from providers.services import key_create
from providers.services.reencryption import Reencryption, keys_reencrypt
from tests.factories import make_key, make_provider

pytestmark = pytest.mark.django_db
OLD, NEW = {"old": b"1" * 32}, {"new": b"2" * 32}
PLAIN = "sk-planted-0123456789"


@pytest.fixture
def key(settings: Any) -> ApiKey:
    """A key stored under the old master key; now there are both."""
    settings.FIELD_ENCRYPTION_KEYS = OLD
    key = key_create(provider=make_provider(), secret=Secret(PLAIN), actor="ann")
    settings.FIELD_ENCRYPTION_KEYS = NEW | OLD
    return key


def test_old_master_key_can_be_dropped_afterwards(key: ApiKey, settings: Any) -> None:
    make_key(provider=key.provider)  # needs no secret

    assert keys_reencrypt() == Reencryption(changed=1)
    assert keys_reencrypt() == Reencryption(up_to_date=1)

    settings.FIELD_ENCRYPTION_KEYS = NEW
    key.refresh_from_db()
    assert secret_of(key) == Secret(PLAIN)
    with pytest.raises(DuplicateKey):
        key_create(provider=key.provider, secret=Secret(PLAIN), actor="ann")


def test_unreadable_key_is_counted_and_named(key: ApiKey, settings: Any, capsys: Any) -> None:
    settings.FIELD_ENCRYPTION_KEYS = NEW

    with pytest.raises(CommandError, match="Keep the old master keys"):
        call_command("reencrypt_keys")
    assert capsys.readouterr().out == "0 re-encrypted, 0 up to date, 1 unreadable, 0 changed meanwhile.\n"


def test_command_says_what_it_did_and_no_secret(key: ApiKey, capsys: Any) -> None:
    call_command("reencrypt_keys")

    assert capsys.readouterr().out == "1 re-encrypted, 0 up to date, 0 unreadable, 0 changed meanwhile.\n"
