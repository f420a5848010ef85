"""One process at a time acts in a role: taken by compare-and-set on a row, kept by renewing it, lost by silence."""

from datetime import timedelta

from django.db.models import Q
from django.db.models.functions import Now

from processing.models import Leader

LEASE = timedelta(seconds=15)


def leader_acquire(role: str, *, holder: str) -> bool:
    """Take or renew the lead of `role` for 15 s; False when another holds it."""
    Leader.objects.get_or_create(role=role)
    free_or_ours = Q(holder=holder) | Q(holder="") | Q(expires_at__lte=Now())
    return bool(
        Leader.objects.filter(free_or_ours, role=role).update(holder=holder, expires_at=Now() + LEASE)
    )


def leader_acted(role: str, *, holder: str) -> None:
    """Note that a full round was done."""
    Leader.objects.filter(role=role, holder=holder).update(acted_at=Now())


def leader_resign(role: str, *, holder: str) -> None:
    """Give the lead away at once, at an orderly end."""
    Leader.objects.filter(role=role, holder=holder).update(holder="", expires_at=Now())
