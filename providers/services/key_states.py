"""The steps in the life of a key, each by compare-and-set and with a KeyEvent of its own.

What calls find out about keys comes in by `key_note`. Making and editing keys stands in `keys.py`, how keys come
back by themselves in `key_recovery.py`.
"""

from collections.abc import Iterable
from datetime import datetime, timedelta

from django.db import transaction
from django.db.models import Exists, OuterRef, Q
from django.db.models.functions import Now

from providers.clock import database_now
from providers.models import ApiKey, KeyEvent, KeyModelPause, LimitPool, UsageBucket
from providers.protocols.base import Outcome
from providers.rules.redact import redact
from providers.services.pauses import pair_refused, pair_worked
from providers.signals import key_state_changed, send_after_commit

QUOTA_REST_S = 900.0  # a provider that names no reset is asked again after a quarter of an hour
OK_NOTED_EVERY = timedelta(seconds=60)  # a busy key does not write its row for each answer
INVALID_RETRY = timedelta(hours=1)  # then a refused key is tried again
COOLING_FROM_S = 60.0  # a shorter wait is only kept by the limiter
LATELY = timedelta(minutes=10)
IN_SERVICE = (ApiKey.State.ACTIVE, ApiKey.State.COOLING, ApiKey.State.EXHAUSTED, ApiKey.State.PROBING)
_KEY_WORKED = frozenset(
    {Outcome.ANSWERED, Outcome.TRUNCATED, Outcome.EMPTY, Outcome.REFUSED, Outcome.BLOCKED, Outcome.TOO_LONG}
)


def key_note(
    *,
    key_id: int,
    outcome: Outcome | str,
    message: str,
    retry_after_s: float | None = None,
    actor: str,
    model_id: int | None = None,
) -> None:
    """Draw the consequences of one outcome for the key that the call used, for its pool, and for it with the model."""
    outcome = Outcome(outcome)
    if outcome in _KEY_WORKED:
        if _is_news(key_id, model_id):
            _ok_note(key_id, actor=actor)
            if model_id is not None:
                pair_worked(key_id=key_id, model_id=model_id)
        return
    ApiKey.objects.filter(pk=key_id).update(
        last_error_at=Now(), last_error=redact(f"{outcome}: {message}" if message else outcome)
    )
    if outcome is Outcome.KEY_INVALID:
        key_transition(
            key_id=key_id, to_state=ApiKey.State.INVALID, cause=message, actor=actor, only_from=IN_SERVICE,
            until=database_now() + INVALID_RETRY,
        )  # fmt: skip
    elif outcome is Outcome.QUOTA_EXHAUSTED:
        _quota_rest(key_id, message=message, rest_s=retry_after_s or QUOTA_REST_S, actor=actor)
    elif outcome is Outcome.PERMISSION and model_id is not None:
        pair_refused(key_id=key_id, model_id=model_id, message=message)
    elif outcome is Outcome.RATE_LIMITED and (retry_after_s or 0) >= COOLING_FROM_S:
        _cool(key_id, wait_s=retry_after_s or 0, message=message, actor=actor)


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
            send_after_commit(
                key_state_changed, sender=ApiKey, key_id=key_id, from_state=from_state, to_state=str(to_state),
                cause=redact(cause), actor=actor,
            )  # fmt: skip
    return bool(is_mine)


def key_unreadable_note(*, key_id: int, cause: str) -> None:
    """Take a key out of service that cannot be decrypted, until staff enter it again or the master key is back."""
    key_transition(
        key_id=key_id, to_state=ApiKey.State.UNREADABLE, cause=cause, actor="keyring", only_from=IN_SERVICE
    )


_OK_IS_DUE = Q(last_ok_at=None) | Q(last_ok_at__lte=Now() - OK_NOTED_EVERY)
# only what is being tried: a call from before the key was found exhausted proves nothing
_IS_TRIED = Q(state=ApiKey.State.PROBING, state_until=None) | Q(
    state__in=(ApiKey.State.EXHAUSTED, ApiKey.State.COOLING), state_until__lte=Now()
)


def _is_news(key_id: int, model_id: int | None) -> bool:
    """Whether a success changes anything: it is asked for each key of each batch, and mostly it does not."""
    pauses = KeyModelPause.objects.filter(key=OuterRef("pk"), model=model_id, until__lte=Now())
    news = _OK_IS_DUE | _IS_TRIED | Q(pool__resting_until__lte=Now()) | Q(Exists(pauses))
    return ApiKey.objects.filter(news, pk=key_id).exists()


def _ok_note(key_id: int, *, actor: str) -> None:
    """Note that the key works; one that was being tried is back in full service, and so is its pool."""
    ApiKey.objects.filter(_OK_IS_DUE, pk=key_id).update(last_ok_at=Now())
    if tried := ApiKey.objects.filter(_IS_TRIED, pk=key_id).values_list("state", flat=True).first():
        key_transition(
            key_id=key_id, to_state=ApiKey.State.ACTIVE, cause="a question proved it", actor=actor,
            only_from=[tried],
        )  # fmt: skip
    LimitPool.objects.filter(keys=key_id, resting_until__lte=Now()).update(
        resting_until=None, resting_reason=""
    )


def _cool(key_id: int, *, wait_s: float, message: str, actor: str) -> None:
    """Rest a key that must wait long, unless other models are asked with it: the limit may be of this one alone."""
    lately = UsageBucket.objects.filter(key=key_id, bucket_at__gte=Now() - LATELY)
    if lately.values("model").distinct().count() <= 1:
        key_transition(
            key_id=key_id, to_state=ApiKey.State.COOLING, cause=message, actor=actor,
            only_from=[ApiKey.State.ACTIVE], until=database_now() + timedelta(seconds=wait_s),
        )  # fmt: skip


def _quota_rest(key_id: int, *, message: str, rest_s: float, actor: str) -> None:
    """Rest the key and its pool, since all keys of a pool spend the same credit; never shorten a rest."""
    until = database_now() + timedelta(seconds=rest_s)
    key_transition(
        key_id=key_id, to_state=ApiKey.State.EXHAUSTED, cause=message, actor=actor,
        only_from=(ApiKey.State.ACTIVE, ApiKey.State.COOLING, ApiKey.State.PROBING), until=until,
    )  # fmt: skip
    # one whose reset had come and that was refused again
    ApiKey.objects.filter(pk=key_id, state=ApiKey.State.EXHAUSTED, state_until__lte=Now()).update(
        state_until=until
    )
    pools = LimitPool.objects.filter(keys=key_id)
    pools.filter(Q(resting_until=None) | Q(resting_until__lt=until)).update(
        resting_until=until, resting_reason=redact(message, max_length=200)
    )


def pool_rest_end(*, pool_id: int) -> bool:
    """Let a pool be asked again before its rest is over; False when it was not resting. Its keys stay as they are."""
    resting = LimitPool.objects.filter(pk=pool_id, resting_until__gt=Now())
    return bool(resting.update(resting_until=None, resting_reason=""))
