"""What follows from each outcome, as a table, and the bounds of every wait."""

import random
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from processing.rules.outcomes import LONGEST_WAIT_S, RETRY_CAP_S, NextStep, Verdict, next_step
from providers.protocols.base import Outcome

AGAIN, ANSWERED, FAILED, DECLINED = Verdict.AGAIN, Verdict.ANSWERED, Verdict.FAILED, Verdict.DECLINED


@pytest.mark.parametrize(
    ("outcome", "facts", "verdict"),
    [
        (Outcome.ANSWERED, {}, ANSWERED),
        (Outcome.TRUNCATED, {"has_text": True}, AGAIN),
        (Outcome.TRUNCATED, {"has_text": True, "cap_factor": 4}, ANSWERED),
        (Outcome.TRUNCATED, {"has_text": True, "has_room": False}, ANSWERED),
        (Outcome.EMPTY, {}, AGAIN),
        (Outcome.EMPTY, {"n_tries": 1}, FAILED),
        (Outcome.REFUSED, {}, DECLINED),
        (Outcome.BLOCKED, {}, DECLINED),
        (Outcome.BAD_REQUEST, {}, FAILED),
        (Outcome.BAD_REQUEST, {"is_mendable": True}, AGAIN),
        (Outcome.BAD_REQUEST, {"is_mendable": True, "n_tries": 2}, FAILED),
        (Outcome.TOO_LONG, {}, FAILED),
        (Outcome.TIMEOUT, {"n_tries": 1}, AGAIN),
        (Outcome.TIMEOUT, {"n_tries": 2}, FAILED),
        (Outcome.OVERLOADED, {"n_tries": 2}, FAILED),
        (Outcome.OVERLOADED, {"n_tries": 2, "is_probe": True}, AGAIN),
        (Outcome.PERMISSION, {"n_tries": 2}, AGAIN),
        (Outcome.RATE_LIMITED, {"n_tries": 2}, AGAIN),
        (Outcome.KEY_INVALID, {"n_tries": 2}, AGAIN),
        (Outcome.QUOTA_EXHAUSTED, {"n_tries": 2}, AGAIN),
        (Outcome.MODEL_UNKNOWN, {"n_tries": 2}, AGAIN),
        (Outcome.LOST, {"n_tries": 2}, AGAIN),
    ],
)
def test_next_step_follows_the_table(outcome: Outcome, facts: dict[str, Any], verdict: Verdict) -> None:
    step = next_step(outcome, **({"n_tries": 0, "retry_limit": 3} | facts))

    assert step.verdict == verdict


def test_truncated_answer_gets_four_times_the_room() -> None:
    step = next_step(Outcome.TRUNCATED, n_tries=0, retry_limit=3, has_text=True)

    assert step == NextStep(AGAIN, 0.0, uses_try=True, cap_factor=4)


@pytest.mark.parametrize("outcome", [Outcome.RATE_LIMITED, Outcome.OVERLOADED])
def test_the_providers_own_wait_is_honoured(outcome: Outcome) -> None:
    step = next_step(outcome, n_tries=0, retry_limit=3, retry_after_s=20.0)

    assert step.delay_s == 20.0


@given(
    outcome=st.sampled_from(list(Outcome)),
    n_tries=st.integers(0, 20),
    retry_limit=st.integers(1, 10),
    given_s=st.none() | st.floats(-10, 1e9),
    seed=st.integers(),
)
def test_waits_are_bounded_and_tries_end(
    outcome: Outcome, n_tries: int, retry_limit: int, given_s: float | None, seed: int
) -> None:
    step = next_step(
        outcome, n_tries=n_tries, retry_limit=retry_limit, retry_after_s=given_s, chance=random.Random(seed)
    )

    assert 0 <= step.delay_s <= (RETRY_CAP_S if given_s is None else LONGEST_WAIT_S)
    assert step.verdict != AGAIN or not step.uses_try or n_tries + 1 < max(retry_limit, 2)
