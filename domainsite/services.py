"""Makes and revokes client keys; the secret exists in clear only in what `client_key_create` returns."""

import secrets
from datetime import datetime

from django.core.exceptions import ValidationError
from django.db.models import Q
from django.utils import timezone
from django.views.decorators.debug import sensitive_variables

from domainsite.api.authentication import hashed
from domainsite.models import ClientKey

N_PREFIX_BYTES = 4
N_SECRET_BYTES = 32


@sensitive_variables("secret")
def client_key_create(
    *, name: str, scopes: list[str], actor: str, expires_at: datetime | None = None
) -> tuple[ClientKey, str]:
    """Make a key and return it with its text `<prefix>.<secret>`, which cannot be had again.

    Raises:
        ValidationError: the name is taken or no slug, or a scope is unknown or missing.
    """
    unknown = sorted(set(scopes) - set(ClientKey.Scope.values))
    if unknown or not scopes:
        known = ", ".join(ClientKey.Scope.values)
        raise ValidationError(
            {"scopes": [f"Choose from {known}; unknown: {', '.join(unknown) or 'none given'}."]}
        )
    secret = secrets.token_urlsafe(N_SECRET_BYTES)
    key = ClientKey(
        name=name,
        prefix=secrets.token_hex(N_PREFIX_BYTES),
        secret_sha256=hashed(secret),
        scopes=[scope for scope in ClientKey.Scope.values if scope in scopes],
        created_by=actor,
        expires_at=expires_at,
    )
    key.full_clean()
    key.save(force_insert=True)
    return key, f"{key.prefix}.{secret}"


def client_key_revoke(*, name: str) -> bool:
    """Revoke a key for good; False when there is none of that name that could still be used."""
    return bool(
        ClientKey.objects.filter(Q(revoked_at__isnull=True), name=name).update(revoked_at=timezone.now())
    )
