"""Who calls: a program by its client key, or staff by their session. Not here: what they may do (`permissions.py`)."""

import hashlib
import secrets
from dataclasses import dataclass, field
from datetime import timedelta
from typing import Any

from django.db.models import Q
from django.utils import timezone
from django.views.decorators.debug import sensitive_variables
from rest_framework import authentication
from rest_framework.exceptions import AuthenticationFailed
from rest_framework.request import Request

from domainsite.models import ClientKey

KEYWORD = "Api-Key"
LAST_USED_EVERY = timedelta(minutes=1)  # a write per request would make one hot row of each key
NO_SUCH_KEY = "The client key is not known."


@dataclass(frozen=True)
class ClientPrincipal:
    """A calling program, in the place of a user."""

    pk: int
    name: str
    scopes: frozenset[str]
    is_authenticated: bool = field(default=True, init=False)
    is_active: bool = field(default=True, init=False)
    is_anonymous: bool = field(default=False, init=False)
    is_staff: bool = field(default=False, init=False)
    is_superuser: bool = field(default=False, init=False)

    def get_username(self) -> str:
        """Return the actor's name as it is written into records."""
        return f"client:{self.name}"

    def has_perm(self, _permission: str, _object: Any = None) -> bool:
        """Have none of Django's permissions: scopes decide."""
        return False

    def __str__(self) -> str:
        return self.get_username()


@sensitive_variables("secret")
def hashed(secret: str) -> str:
    """Return what is stored of a secret. It is 256 random bits, so that no slow hash is needed."""
    return hashlib.sha256(secret.encode()).hexdigest()


class ClientKeyAuthentication(authentication.BaseAuthentication):
    """`Authorization: Api-Key <prefix>.<secret>`."""

    def authenticate_header(self, request: Request) -> str:
        """Name the scheme: with it, who is not known gets 401 and not 403."""
        return f'{KEYWORD} realm="api"'

    @sensitive_variables()
    def authenticate(self, request: Request) -> tuple[ClientPrincipal, ClientKey] | None:
        """Return the calling program, None when the request carries no client key.

        Raises:
            AuthenticationFailed: the key is malformed, unknown, revoked or expired.
        """
        keyword, _, given = request.headers.get("Authorization", "").partition(" ")
        if keyword.lower() != KEYWORD.lower():
            return None
        prefix, _, secret = given.strip().partition(".")
        key = (
            ClientKey.objects.filter(prefix=prefix).first()
            if prefix.isascii() and len(prefix) <= 16
            else None
        )
        if not secrets.compare_digest(key.secret_sha256 if key else "", hashed(secret)) or key is None:
            raise AuthenticationFailed(NO_SUCH_KEY)
        now = timezone.now()
        if key.revoked_at is not None:
            raise AuthenticationFailed("The client key was revoked.", code="key_revoked")
        if key.expires_at is not None and key.expires_at <= now:
            raise AuthenticationFailed("The client key has expired.", code="key_expired")
        _note_use(key)
        return ClientPrincipal(pk=key.pk, name=key.name, scopes=frozenset(key.scopes)), key


def _note_use(key: ClientKey) -> None:
    now = timezone.now()
    if key.last_used_at is None or key.last_used_at <= now - LAST_USED_EVERY:
        is_old = Q(last_used_at__isnull=True) | Q(last_used_at__lte=now - LAST_USED_EVERY)
        ClientKey.objects.filter(is_old, pk=key.pk).update(last_used_at=now)


class StaffSessionAuthentication(authentication.SessionAuthentication):
    """The admin's session, for staff only; other users count as nobody."""

    def authenticate(self, request: Request) -> tuple[Any, None] | None:
        """Return the staff user of the session, None without one."""
        user = getattr(request._request, "user", None)
        return super().authenticate(request) if user is not None and user.is_staff else None
