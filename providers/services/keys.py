"""Making and editing keys: what staff do. The environment's keys stand in `environment_keys.py`."""

import re
import uuid

from django.db import IntegrityError, transaction
from django.views.decorators.debug import sensitive_variables

from providers.errors import DuplicateKey, InvalidSecret, Unreadable, WrongKeyState
from providers.models import ApiKey, KeyEvent, LimitPool, Provider
from providers.pools import pool_default
from providers.rules.secret import Secret
from providers.secrets import field_cipher, last4_of, secret_of
from providers.services.key_states import key_transition
from providers.services.pauses import pauses_end

_SENDABLE = re.compile(r"[\x21-\x7e]{1,4096}")  # what a header can carry


@sensitive_variables()
def key_create(
    *, provider: Provider, secret: Secret, label: str = "", pool: LimitPool | None = None, actor: str
) -> ApiKey:
    """Store a key that staff entered, encrypted; it is in service at once, in the default pool unless told.

    Raises InvalidSecret, DuplicateKey, and WrongKeyState when the pool belongs to another provider.
    """
    if pool is not None and pool.provider_id != provider.pk:
        raise WrongKeyState(
            f"The pool {pool} belongs to another provider.", fields={"pool": ["Of another provider."]}
        )
    key_secret_check(provider=provider, secret=secret)
    uid, cipher = uuid.uuid4(), field_cipher()
    key = ApiKey(
        uid=uid,
        provider=provider,
        pool=pool or pool_default(provider),
        label=label.strip(),
        ciphertext=cipher.encrypt(secret, uid=uid),
        last4=last4_of(secret),
        fingerprint=cipher.fingerprints(secret)[0],
    )
    try:
        with transaction.atomic():
            key.save()
            KeyEvent.objects.create(key=key, to_state=key.state, cause="entered", actor=actor)
    except IntegrityError:
        raise _duplicate() from None
    return key


@sensitive_variables()
def key_secret_replace(*, key: ApiKey, secret: Secret, actor: str) -> None:
    """Put another secret into a key that staff entered; the key is in service again.

    Raises InvalidSecret, DuplicateKey, and WrongKeyState for a key that the environment holds.
    """
    if key.source != ApiKey.Source.STAFF:
        raise WrongKeyState("This key is held by the environment: change it there.")
    key_secret_check(provider=key.provider, secret=secret, but=key)
    cipher = field_cipher()
    with transaction.atomic():
        ApiKey.objects.filter(pk=key.pk).update(
            ciphertext=cipher.encrypt(secret, uid=key.uid),
            last4=last4_of(secret),
            fingerprint=cipher.fingerprints(secret)[0],
            state=ApiKey.State.ACTIVE,
            state_reason="",
            state_until=None,
            last_error="",
        )
        pauses_end(key_id=key.pk)
        KeyEvent.objects.create(
            key=key, from_state=key.state, to_state=ApiKey.State.ACTIVE, cause="secret replaced", actor=actor
        )
    key.refresh_from_db()


def key_disable(*, key: ApiKey, actor: str, reason: str = "disabled by staff") -> bool:
    """Take a key out of service until it is enabled; False when it was disabled already."""
    return key_transition(key_id=key.pk, to_state=ApiKey.State.DISABLED, cause=reason, actor=actor)


def key_enable(*, key: ApiKey, actor: str) -> bool:
    """Put a key into service, whatever took it out; False when it was in service already.

    Raises WrongKeyState when its secret cannot be read.
    """
    try:
        secret_of(key)
    except Unreadable as error:
        raise WrongKeyState(f"{key}: {error} Enter the key again.") from None
    pauses_end(key_id=key.pk)
    return key_transition(key_id=key.pk, to_state=ApiKey.State.ACTIVE, cause="enabled by staff", actor=actor)


@sensitive_variables()
def key_secret_check(*, provider: Provider, secret: Secret, but: ApiKey | None = None) -> None:
    """Raise InvalidSecret or DuplicateKey when the provider cannot take this secret (`but`: for a key it has)."""
    if not _SENDABLE.fullmatch(secret.reveal()):
        text = "A key has no spaces or line breaks, and only ASCII characters."
        raise InvalidSecret(text, fields={"secret": [text]})
    same = ApiKey.objects.filter(provider=provider, fingerprint__in=field_cipher().fingerprints(secret))
    if but is not None:
        same = same.exclude(pk=but.pk)
    if twin := same.first():
        raise _duplicate(twin)


def _duplicate(twin: ApiKey | None = None) -> DuplicateKey:
    named = f" as “{twin}”" if twin else ""
    text = f"This provider has the same key already{named}: enable or relabel that one."
    return DuplicateKey(text, fields={"secret": [text]})
