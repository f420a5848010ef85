"""Pauses of a key for a single model: a bare 403 blames neither alone, so the pair rests until a call works."""

from datetime import timedelta

from django.db import transaction

from providers.clock import database_now
from providers.models import KeyModelPause
from providers.rules.redact import redact

FIRST_PAUSE = timedelta(minutes=15)
LONGEST_PAUSE = timedelta(days=1)


def pair_refused(*, key_id: int, model_id: int, message: str) -> bool:
    """Pause a key for a model; each refusal of a probe doubles the pause. False when it was paused already."""
    now = database_now()
    first = {"reason": redact(message), "until": now + FIRST_PAUSE}
    with transaction.atomic():
        pause, is_new = KeyModelPause.objects.get_or_create(key_id=key_id, model_id=model_id, defaults=first)
        if is_new:
            return True
        length = min(FIRST_PAUSE * 2 ** min(pause.n_refusals, 10), LONGEST_PAUSE)
        over = KeyModelPause.objects.filter(pk=pause.pk, n_refusals=pause.n_refusals, until__lte=now)
        return bool(over.update(reason=redact(message), until=now + length, n_refusals=pause.n_refusals + 1))


def pair_worked(*, key_id: int, model_id: int) -> bool:
    """End the pause of a key for a model once a call after it worked; a call that began before it proves nothing."""
    over = KeyModelPause.objects.filter(key=key_id, model=model_id, until__lte=database_now())
    return bool(over.delete()[0])


def pauses_end(*, key_id: int) -> int:
    """Use a key for all models again: staff say that it may."""
    return KeyModelPause.objects.filter(key=key_id).delete()[0]
