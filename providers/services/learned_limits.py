"""Limits that providers state in their answers, kept beside the configured ones: shown, and binding where lower.

Written at most once a minute for each pool and model, whoever saw them, so that no row is hot.
"""

from collections.abc import Iterable
from datetime import timedelta

from django.db import transaction
from django.db.models.functions import Now

from providers.models import LearnedLimit, Limit
from providers.rules import limit_headers

NOTED_EVERY = timedelta(seconds=50)
_KINDS = frozenset(Limit.What.values) - {Limit.What.IN_FLIGHT}


def limits_learn(*, pool_id: int, model_id: int, learned: Iterable[limit_headers.LearnedLimit]) -> int:
    """Keep what an answer said of the limits of a pool for a model; returns how many rows that changed.

    What has no window, or is no limit of ours, is left out.
    """
    return sum(
        _learn(pool_id, model_id, one)
        for one in learned
        if one.per_s and one.what in _KINDS and one.amount > 0
    )


def _learn(pool_id: int, model_id: int, one: limit_headers.LearnedLimit) -> int:
    place = {"pool_id": pool_id, "model_id": model_id, "what": one.what, "per_s": one.per_s}
    seen = {"amount": one.amount, "remaining": one.remaining}
    with transaction.atomic():
        rows = LearnedLimit.objects.filter(**place)
        if rows.filter(seen_at__lte=Now() - NOTED_EVERY).update(**seen, seen_at=Now()):
            return 1
        _, is_new = LearnedLimit.objects.get_or_create(**place, defaults={**seen, "seen_at": Now()})
    return int(is_new)
