"""How keys come back by themselves: a rest ends, or one call in the whole fleet finds out whether they work again.

A cooled key is simply back. A refused key is tried once an hour by the cheapest call that proves a key; when that
passes, or where there is none, and for a key without credit at its reset, the next question is the probe: the
limiter lets one through (`facts.UsableKey.gate`), and `key_note` draws the consequence.
"""

from collections.abc import Iterable
from datetime import datetime, timedelta

from django.db.models import Q, QuerySet
from django.db.models.functions import Now

from providers.clock import database_now
from providers.models import ApiKey
from providers.protocols.base import Outcome
from providers.services.key_states import INVALID_RETRY, key_note, key_transition
from providers.services.key_tests import key_check

PROBE_TIME = timedelta(minutes=2)  # a prober that has not reported by then is gone
UNCLEAR_RETRY = timedelta(minutes=15)  # after a check without a clear answer
PROBES_AT_ONCE = 10  # checks of one round, one after another

_STATES = ApiKey.State
# refused keys from before they had a time are due at once
_IS_DUE = Q(state_until__lte=Now()) | Q(state=ApiKey.State.INVALID, state_until=None)


def keys_recover(*, actor: str = "scheduler") -> int:
    """Bring back the keys whose rest is over, in full service or to be tried; returns how many."""
    due = ApiKey.objects.filter(_IS_DUE)
    n = _move(due.filter(state=_STATES.COOLING), _STATES.ACTIVE, cause="its rest is over", actor=actor)
    tried_by_question = due.filter(
        Q(state=_STATES.EXHAUSTED) | Q(state=_STATES.INVALID, provider__key_check={})
    )
    n += _move(
        tried_by_question, _STATES.PROBING, cause="its rest is over: one question tries it", actor=actor
    )
    # the prober died: the check is due again
    _move(
        due.filter(state=_STATES.PROBING),
        _STATES.INVALID,
        cause="no result of its check",
        actor=actor,
        until=database_now(),
    )
    return n


def keys_to_probe() -> QuerySet[ApiKey]:
    """Return the refused keys whose hourly check is due, longest due first."""
    due = ApiKey.objects.filter(_IS_DUE, state=_STATES.INVALID, provider__is_enabled=True)
    return due.exclude(provider__key_check={}).select_related("provider").order_by("state_until")


def keys_probe(*, actor: str = "prober") -> int:
    """Check the refused keys that are due by their providers' cheapest calls; returns how many were checked.

    Takes up to 15 s a key. Run by one process of the fleet; a key is taken by compare-and-set all the same.
    """
    return sum(_probe(key, actor=actor) for key in list(keys_to_probe()[:PROBES_AT_ONCE]))


def _probe(key: ApiKey, *, actor: str) -> bool:
    until = database_now() + PROBE_TIME
    if not key_transition(
        key_id=key.pk, to_state=_STATES.PROBING, cause="checked once an hour", actor=actor,
        only_from=[_STATES.INVALID], until=until,
    ):  # fmt: skip
        return False
    result = key_check(key)
    if result.is_ok is False:
        key_note(key_id=key.pk, outcome=Outcome.KEY_INVALID, message=result.message, actor=actor)
    elif result.is_ok:
        # known again; whether it may answer is found out by one question
        ApiKey.objects.filter(pk=key.pk, state=_STATES.PROBING).update(
            state_until=None, state_reason="The provider knows it again: one question tries it."
        )
    else:
        retry = UNCLEAR_RETRY if result.http_status is None else INVALID_RETRY
        key_transition(
            key_id=key.pk, to_state=_STATES.INVALID, cause=result.message, actor=actor,
            only_from=[_STATES.PROBING], until=database_now() + retry,
        )  # fmt: skip
    return True


def _move(
    keys: QuerySet[ApiKey], to_state: ApiKey.State, *, cause: str, actor: str, until: datetime | None = None
) -> int:
    found: Iterable[tuple[int, str]] = list(keys.order_by("id").values_list("pk", "state"))
    return sum(
        key_transition(
            key_id=key_id, to_state=to_state, cause=cause, actor=actor, only_from=[state],
            until=until,
        )
        for key_id, state in found
    )  # fmt: skip
