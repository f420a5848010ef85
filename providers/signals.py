"""News about keys and models for whoever wants to hear it: alerts, webhooks, notifications.

Sent after the change is committed; a receiver that fails is logged and costs the sender nothing.
"""

from functools import partial

from django.db import transaction
from django.dispatch import Signal

key_state_changed = Signal()  # key_id, from_state, to_state, cause, actor
model_retired = Signal()  # model_id, reason: the provider does not know it (any more); its lane is paused


def send_after_commit(signal: Signal, *, sender: type, **news: object) -> None:
    """Send a signal once the running transaction is committed, and never when it is rolled back."""
    transaction.on_commit(partial(signal.send_robust, sender=sender, **news), robust=True)
