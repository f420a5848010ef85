"""The simulator's limits are exact: its window, and the pool that keeps several of them at once."""

from hypothesis import given
from hypothesis import strategies as st

from providers.simulator.admission import BUSY_WAIT_NS, LimitSpec, PoolState, Refusal, Size
from providers.simulator.window import NS_PER_S, SlidingWindow

arrivals = st.lists(
    st.tuples(st.integers(0, 3 * NS_PER_S), st.integers(0, 6)), min_size=1, max_size=60
)  # after the one before, how many


@given(steps=arrivals, amount=st.integers(1, 10))
def test_window_never_holds_more_than_its_amount(steps: list[tuple[int, int]], amount: int) -> None:
    window = SlidingWindow(amount=amount, per_s=2)
    taken: list[tuple[int, int]] = []
    now = 0
    for step, n in steps:
        now += step
        in_window = sum(held for at, held in taken if at > now - window.per_ns)
        has_room = in_window < amount and in_window + n <= amount

        assert window.fits(n, now_ns=now) == has_room
        if has_room:
            window.add(n, now_ns=now)
            taken.append((now, n))


@given(steps=arrivals, amount=st.integers(1, 10), wanted=st.integers(0, 12))
def test_wait_is_the_earliest_moment_that_fits(
    steps: list[tuple[int, int]], amount: int, wanted: int
) -> None:
    window = SlidingWindow(amount=amount, per_s=2)
    now = 0
    for step, n in steps:
        now += step
        window.add(min(n, amount), now_ns=now)

    wait = window.wait_ns(wanted, now_ns=now)

    assert (wait is None) == (wanted > amount)
    if wait:
        assert not window.fits(wanted, now_ns=now + wait - 1)
    if wait is not None:
        assert window.fits(wanted, now_ns=now + wait)


def test_two_per_minute_as_in_the_docstring() -> None:
    window = SlidingWindow(amount=2, per_s=60)
    window.add(1, now_ns=0)
    window.add(1, now_ns=10 * NS_PER_S)

    assert window.wait_ns(1, now_ns=10 * NS_PER_S) == 50 * NS_PER_S
    assert window.wait_ns(2, now_ns=10 * NS_PER_S) == 60 * NS_PER_S
    assert window.empty_in_ns(now_ns=10 * NS_PER_S) == 60 * NS_PER_S


def test_refused_call_takes_nothing_of_any_limit() -> None:
    requests_limit, tokens_limit = LimitSpec("requests", 2), LimitSpec("tokens", 100)
    pool = PoolState((requests_limit, tokens_limit))

    assert pool.admit(model="m", size=Size(40, 50), now_ns=0) is None
    assert pool.admit(model="m", size=Size(10, 10), now_ns=0) == Refusal(tokens_limit, 20, 60 * NS_PER_S)
    assert pool.admit(model="m", size=Size(5, 5), now_ns=0) is None
    assert [one.n_left for one in pool.standings(model="m", now_ns=0)] == [0, 0]


def test_call_larger_than_a_whole_limit_never_fits() -> None:
    limit = LimitSpec("tokens", 100)

    assert PoolState((limit,)).admit(model="m", size=Size(90, 20), now_ns=0) == Refusal(limit, 110, None)


def test_calls_at_once_come_back_when_they_end() -> None:
    limit = LimitSpec("in_flight", 1)
    pool = PoolState((limit,))

    assert pool.admit(model="m", size=Size(1, 1), now_ns=0) is None
    assert pool.admit(model="m", size=Size(1, 1), now_ns=0) == Refusal(limit, 1, BUSY_WAIT_NS)
    pool.ended(model="m", size=Size(1, 1), now_ns=1)
    assert pool.admit(model="m", size=Size(1, 1), now_ns=1) is None


def test_limit_of_one_model_leaves_the_others_alone() -> None:
    pool = PoolState((LimitSpec("requests", 1, model="large"),))

    assert pool.admit(model="large", size=Size(1, 1), now_ns=0) is None
    assert pool.admit(model="large", size=Size(1, 1), now_ns=0) is not None
    assert pool.admit(model="small", size=Size(1, 1), now_ns=0) is None


def test_cap_counts_on_arrival_and_completion_only_at_the_end() -> None:
    by_cap = PoolState((LimitSpec("output_tokens", 100, counts="cap"),))
    at_end = PoolState((LimitSpec("output_tokens", 100, counts="completion"),))

    by_cap.admit(model="m", size=Size(1, 10, cap_tokens=80), now_ns=0)
    at_end.admit(model="m", size=Size(1, 10, cap_tokens=80), now_ns=0)
    assert by_cap.standings(model="m", now_ns=0)[0].n_left == 20
    assert at_end.standings(model="m", now_ns=0)[0].n_left == 100
    at_end.ended(model="m", size=Size(1, 10), now_ns=5)
    assert at_end.standings(model="m", now_ns=5)[0].n_left == 90
