"""Telling the providers' part what calls showed of its keys and models; it decides what follows from that."""

from collections.abc import Sequence

from processing.services.recording import Result
from providers.protocols.base import Failure
from providers.services import key_note, model_note, model_refuses

ACTOR = "drain"


def notes_take(results: Sequence[Result]) -> None:
    """Pass on one note per key, model and outcome and per model and outcome of a batch, each with its latest words."""
    keys = {(r.key_id, r.claim.model_id, r.outcome): r for r in results if r.key_id is not None}
    for (key_id, model_id, outcome), result in sorted(keys.items(), key=lambda item: item[0]):
        reply = result.reply
        key_note(
            key_id=key_id,
            model_id=model_id,
            outcome=outcome,
            message=reply.message if isinstance(reply, Failure) else "",
            retry_after_s=reply.retry_after_s if isinstance(reply, Failure) else None,
            actor=ACTOR,
        )
    models = {(r.claim.model_id, r.outcome): r.reply for r in results if isinstance(r.reply, Failure)}
    for (model_id, outcome), failure in sorted(models.items()):
        if isinstance(failure, Failure):
            model_note(model_id=model_id, outcome=outcome, message=failure.message)
            if failure.refused_field:
                model_refuses(model_id=model_id, field=failure.refused_field)
