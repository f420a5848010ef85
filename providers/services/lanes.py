"""What calls find out about models: one that is unknown pauses its lane, a refused request field is remembered."""

from datetime import timedelta

from django.db import transaction
from django.db.models import Q
from django.db.models.functions import Now

from providers.models import LanguageModel
from providers.protocols.base import Outcome
from providers.rules.redact import redact
from providers.signals import model_retired, send_after_commit

UNKNOWN_PAUSE = timedelta(hours=1)  # then one question finds out whether the model is there again
_MAX_REFUSED = 12


def model_note(*, model_id: int, outcome: Outcome | str, message: str) -> None:
    """Draw the consequences of one outcome for the model: an unknown one is not asked for an hour."""
    if Outcome(outcome) is not Outcome.MODEL_UNKNOWN:
        return
    is_asked = Q(lane=LanguageModel.Lane.ACTIVE) | Q(lane=LanguageModel.Lane.PAUSED, lane_until__lte=Now())
    reason = redact(f"unknown at the provider: {message}", max_length=200)
    with transaction.atomic():
        is_news = LanguageModel.objects.filter(is_asked, pk=model_id).update(
            lane=LanguageModel.Lane.PAUSED, lane_reason=reason, lane_until=Now() + UNKNOWN_PAUSE
        )
        if is_news:
            send_after_commit(model_retired, sender=LanguageModel, model_id=model_id, reason=reason)


def model_refuses(*, model_id: int, field: str) -> bool:
    """Remember that the model refuses a request field; False when it was known."""
    with transaction.atomic():
        model = LanguageModel.objects.select_for_update().filter(pk=model_id).first()
        if model is None or field in model.refused_fields or len(model.refused_fields) >= _MAX_REFUSED:
            return False
        model.refused_fields = [*model.refused_fields, field]
        model.save(update_fields=["refused_fields"])
    return True


def lane_pause(*, model_id: int, reason: str, actor: str) -> bool:
    """Stop asking a model until staff activate it; False when it was paused by staff already."""
    is_new = ~Q(lane=LanguageModel.Lane.PAUSED) | Q(lane_until__isnull=False)
    changed = LanguageModel.objects.filter(is_new, pk=model_id).update(
        lane=LanguageModel.Lane.PAUSED,
        lane_reason=redact(f"{reason} ({actor})", max_length=200),
        lane_until=None,
    )
    return bool(changed)


def lane_activate(*, model_id: int) -> bool:
    """Ask a model again; False when it was asked already."""
    changed = (
        LanguageModel.objects.filter(pk=model_id)
        .exclude(lane=LanguageModel.Lane.ACTIVE)
        .update(lane=LanguageModel.Lane.ACTIVE, lane_reason="", lane_until=None)
    )
    return bool(changed)


def lanes_recover() -> int:
    """End the pauses whose time is over; returns how many ended. Lanes are asked then even before this runs."""
    over = LanguageModel.objects.filter(lane=LanguageModel.Lane.PAUSED, lane_until__lte=Now())
    return over.update(lane=LanguageModel.Lane.ACTIVE, lane_reason="", lane_until=None)


def refusals_forget(*, model_id: int) -> bool:
    """Send a model all request fields again; False when it had refused none."""
    return bool(
        LanguageModel.objects.filter(pk=model_id).exclude(refused_fields=[]).update(refused_fields=[])
    )
