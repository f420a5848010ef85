"""Which fault strikes a call: by who calls, which call it is, when, what is asked, and by share."""

from typing import Any

import pytest

from providers.simulator.draws import Draws
from providers.simulator.fault_tables import fault_of
from providers.simulator.faults import Approach, Fault, FaultBook
from providers.simulator.reading import Table

CALL = Approach("openai", "main", "sim-openai-1", "gpt-6-luna", prompt="What is known of nike.com?")
CHECK = Approach("openai", "main", "sim-openai-1", "", is_check=True)


def make_fault(name: str = "x", **values: Any) -> Fault:
    errors: list[str] = []
    fault = fault_of(
        Table({"kind": "html", "name": name, **values}, path="", errors=errors),
        providers=["openai"],
        number=1,
    )
    assert errors == []
    return fault


def struck(fault: Fault, *, call: Approach = CALL, elapsed_s: float = 0, n: int = 1) -> list[bool]:
    book = FaultBook([fault])
    draws = (Draws(seed=1, call=str(number)) for number in range(n))
    return [book.struck_by(call, draws=one, elapsed_s=elapsed_s) is not None for one in draws]


@pytest.mark.parametrize(
    ("values", "is_struck"),
    [
        ({}, True),
        ({"provider": "openai", "pool": "main", "key": "sim-openai-1", "model": "gpt-6-luna"}, True),
        ({"pool": "other"}, False),
        ({"key": "sim-openai-2"}, False),
        ({"model": "gpt-6.1-sol"}, False),
        ({"prompt": r"nike\.com"}, True),
        ({"prompt": "^nike"}, False),
        ({"is_on": False}, False),
        ({"strikes": "check"}, False),
        ({"strikes": "all"}, True),
    ],
)
def test_conditions_must_all_hold(values: dict[str, Any], is_struck: bool) -> None:
    assert struck(make_fault(**values)) == [is_struck]


@pytest.mark.parametrize(("strikes", "is_struck"), [("chat", False), ("check", True), ("all", True)])
def test_key_checks_are_struck_only_when_told(strikes: str, is_struck: bool) -> None:
    assert struck(make_fault(strikes=strikes), call=CHECK) == [is_struck]


def test_calls_are_counted_from_one_with_both_ends() -> None:
    assert struck(make_fault(calls=[2, 3]), n=5) == [False, True, True, False, False]


@pytest.mark.parametrize(("elapsed_s", "is_struck"), [(4.99, False), (5, True), (14.99, True), (15, False)])
def test_seconds_include_their_first_moment_only(elapsed_s: float, is_struck: bool) -> None:
    assert struck(make_fault(seconds=[5, 15]), elapsed_s=elapsed_s) == [is_struck]


def test_share_is_that_of_many_calls() -> None:
    assert sum(struck(make_fault(share=0.1), n=10_000)) == pytest.approx(1000, abs=90)  # three deviations


def test_first_of_several_decides_and_all_count() -> None:
    book = FaultBook([make_fault("a", calls=[2, 2]), make_fault("b", calls=[2, 3])])
    found = [book.struck_by(CALL, draws=Draws(seed=1, call="x"), elapsed_s=0) for _ in range(3)]

    assert [fault and fault.name for fault in found] == [None, "a", "b"]


def test_fault_put_again_counts_anew() -> None:
    book = FaultBook([make_fault("a", calls=[1, 1])])
    draws = Draws(seed=1, call="x")
    before = [book.struck_by(CALL, draws=draws, elapsed_s=0) is not None for _ in range(2)]
    book.put(make_fault("a", calls=[1, 1]))

    assert before == [True, False]
    assert book.struck_by(CALL, draws=draws, elapsed_s=0) is not None
