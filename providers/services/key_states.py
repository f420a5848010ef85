"""The steps in the life of a key, each by compare-and-set and with a KeyEvent of its own.

What calls find out about keys comes in by `key_note`. Making and editing keys stands in `keys.py`.
"""

from collections.abc import Iterable
from datetime import datetime, timedelta

from django.db import transaction
from django.db.models import Q
from django.db.models.functions import Now

from providers.clock import database_now
from providers.models import ApiKey, KeyEvent, LimitPool
from providers.protocols.base import Outcome
from providers.rules.redact import redact

QUOTA_REST_S = 900.0  # a provider that names no reset is asked again after a quarter of an hour
OK_NOTED_EVERY = timedelta(seconds=60)  # a busy key does not write its row for each answer
IN_SERVICE = (ApiKey.State.ACTIVE, ApiKey.State.COOLING, ApiKey.State.EXHAUSTED, ApiKey.State.PROBING)
_KEY_WORKED = frozenset(
    {Outcome.ANSWERED, Outcome.TRUNCATED, Outcome.EMPTY, Outcome.REFUSED, Outcome.BLOCKED, Outcome.TOO_LONG}
)


def key_note(
    *, key_id: int, outcome: Outcome | str, message: str, retry_after_s: float | None = None, actor: str
) -> None:
    """Draw the consequences of one outcome for the key that the call used, and for its pool."""
    outcome = Outcome(outcome)
    if outcome in _KEY_WORKED:
        _ok_note(key_id)
        return
    ApiKey.objects.filter(pk=key_id).update(
        last_error_at=Now(), last_error=redact(f"{outcome}: {message}" if message else outcome)
    )
    if outcome is Outcome.KEY_INVALID:
        key_transition(
            key_id=key_id, to_state=ApiKey.State.INVALID, cause=message, actor=actor, only_from=IN_SERVICE
        )
    elif outcome is Outcome.QUOTA_EXHAUSTED:
        _quota_rest(key_id, message=message, rest_s=retry_after_s or QUOTA_REST_S, actor=actor)


def key_transition(
    *,
    key_id: int,
    to_state: ApiKey.State,
    cause: str,
    actor: str,
    only_from: Iterable[str] | None = None,
    until: datetime | None = None,
) -> bool:
    """Bring a key from one of `only_from` (default: any other state) to `to_state`; False when it was not there.

    Of several callers that see the same proof one changes the row and writes the event.
    """
    reason = "" if to_state == ApiKey.State.ACTIVE else redact(cause)
    with transaction.atomic():
        from_state = ApiKey.objects.filter(pk=key_id).values_list("state", flat=True).first()
        if (
            from_state is None
            or from_state == to_state
            or (only_from is not None and from_state not in only_from)
        ):
            return False
        is_mine = ApiKey.objects.filter(pk=key_id, state=from_state).update(
            state=to_state, state_reason=reason, state_until=until
        )
        if is_mine:
            KeyEvent.objects.create(
                key_id=key_id,
                from_state=from_state,
                to_state=to_state,
                cause=redact(cause),
                actor=actor,
                until=until,
            )
    return bool(is_mine)


def key_unreadable_note(*, key_id: int, cause: str) -> None:
    """Take a key out of service that cannot be decrypted, until staff enter it again or the master key is back."""
    key_transition(
        key_id=key_id, to_state=ApiKey.State.UNREADABLE, cause=cause, actor="keyring", only_from=IN_SERVICE
    )


def keys_recover(*, actor: str = "scheduler") -> int:
    """Bring back keys whose rest is over; returns how many came back."""
    resting = (ApiKey.State.COOLING, ApiKey.State.EXHAUSTED)
    over = ApiKey.objects.filter(state__in=resting, state_until__lte=Now()).order_by("id")
    return sum(
        key_transition(
            key_id=key_id,
            to_state=ApiKey.State.ACTIVE,
            cause="its rest is over",
            actor=actor,
            only_from=resting,
        )
        for key_id in list(over.values_list("pk", flat=True))
    )


def _ok_note(key_id: int) -> None:
    is_due = Q(last_ok_at=None) | Q(last_ok_at__lte=Now() - OK_NOTED_EVERY)
    ApiKey.objects.filter(is_due, pk=key_id).update(last_ok_at=Now())


def _quota_rest(key_id: int, *, message: str, rest_s: float, actor: str) -> None:
    """Rest the key and its pool, since all keys of a pool spend the same credit; never shorten a rest."""
    until = database_now() + timedelta(seconds=rest_s)
    key_transition(
        key_id=key_id, to_state=ApiKey.State.EXHAUSTED, cause=message, actor=actor,
        only_from=(ApiKey.State.ACTIVE, ApiKey.State.COOLING, ApiKey.State.PROBING), until=until,
    )  # fmt: skip
    pools = LimitPool.objects.filter(keys=key_id)
    pools.filter(Q(resting_until=None) | Q(resting_until__lt=until)).update(
        resting_until=until, resting_reason=redact(message, max_length=200)
    )


def pool_rest_end(*, pool_id: int) -> bool:
    """Let a pool be asked again before its rest is over; False when it was not resting. Its keys stay as they are."""
    resting = LimitPool.objects.filter(pk=pool_id, resting_until__gt=Now())
    return bool(resting.update(resting_until=None, resting_reason=""))
