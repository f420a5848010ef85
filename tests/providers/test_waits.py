"""Every form in which a provider says how long to wait."""

from datetime import UTC, datetime, timedelta

import pytest
from hypothesis import given
from hypothesis import strategies as st

from providers.rules.error_bodies import error_facts
from providers.rules.waits import WAIT_CAP_S, retry_after_s, until_midnight_s, wait_from_text

NOW = datetime(2026, 11, 24, 12, 0, tzinfo=UTC)


@pytest.mark.parametrize(
    ("text", "wait_s"),
    [
        ("20", 20.0),
        ("0", 0.0),
        ("1.5", 1.5),
        (" 7 ", 7.0),
        ("1s", 1.0),
        ("6m0s", 360.0),
        ("20ms", 0.02),
        ("1h2m3.5s", 3723.5),
        ("2m59.56s", 179.56),
        ("1m2.5s", 62.5),
        ("Tue, 24 Nov 2026 12:00:30 GMT", 30.0),
        ("2026-11-24T12:01:00Z", 60.0),
        ("2026-11-24T14:00:05+02:00", 5.0),
        ("2026-11-24T12:00:01.250Z", 1.25),
        (str(int((NOW.timestamp() + 3) * 1000)), 3.0),
        (str(int(NOW.timestamp()) + 3), 3.0),
        ("soon", None),
        ("", None),
        ("-5", None),
        ("nan", None),
        ("١٢", None),
        ("9999-99-99T00:00:00Z", None),
    ],
)
def test_wait_from_text(text: str, wait_s: float | None) -> None:
    found = wait_from_text(text, now=NOW)

    assert found == (None if wait_s is None else pytest.approx(wait_s))


@pytest.mark.parametrize(
    ("headers", "message", "wait_s"),
    [
        ({"retry-after-ms": "20000", "retry-after": "7"}, "try again in 3s", 20.0),
        ({"retry-after": "7"}, "try again in 3s", 7.0),
        ({"retry-after": "garbage"}, "Please try again in 7m12.5s.", 432.5),
        ({}, "Please try again in 120ms.", 0.12),
        ({}, "Retry after 15 seconds", 15.0),
        ({}, "You have 3 seconds of audio", None),
        ({}, "You will regain access on 2026-11-24 at 12:20 UTC.", 1200.0),
        ({}, "Your limit resets 2026-11-24T12:30:00Z", 1800.0),
        ({}, "Available again after Nov 24, 2026 at 12:10.", 600.0),
        ({}, "You will regain access on 2026-12-01 at 00:00 UTC.", WAIT_CAP_S),
        ({}, "You will regain access on 2026-13-41 at 00:00 UTC.", None),
        ({}, "The model was released on 2026-11-25.", None),
        ({}, "Please retry in 34.074824224s.", 34.074824224),
        ({"x-ratelimit-reset-requests": "1s", "x-ratelimit-reset-tokens": "6m0s"}, "", 1.0),
        (
            {
                "x-ratelimit-reset-tokens": "6m0s",
                "x-ratelimit-remaining-tokens": "0",
                "x-ratelimit-reset-requests": "1s",
            },
            "",
            360.0,
        ),
        ({"x-ratelimit-reset": str(int((NOW.timestamp() + 9) * 1000))}, "", 9.0),
        ({"anthropic-ratelimit-tokens-reset": "2026-11-24T12:00:04Z"}, "", 4.0),
        ({"retry-after": "Tue, 24 Nov 2026 11:00:00 GMT"}, "", 0.0),
        ({"retry-after": "999999999"}, "", WAIT_CAP_S),
        ({"retry-after": "86400"}, "", WAIT_CAP_S),
        ({}, "", None),
    ],
)
def test_retry_after(headers: dict[str, str], message: str, wait_s: float | None) -> None:
    found = retry_after_s(headers, message=message, now=NOW)

    assert found == (None if wait_s is None else pytest.approx(wait_s))


@pytest.mark.parametrize(
    ("headers", "told", "wait_s"),
    [
        ({}, "34.07s", 34.07),
        ({}, "34s", 34.0),
        ({"retry-after": "7"}, "34s", 7.0),
        ({"x-ratelimit-reset-requests": "1s"}, "34s", 34.0),
        ({}, "soon", None),
    ],
)
def test_wait_in_the_body(headers: dict[str, str], told: str, wait_s: float | None) -> None:
    assert retry_after_s(headers, told=told, now=NOW) == wait_s


def test_wait_in_the_headers_of_an_upstream_that_the_body_quotes() -> None:
    reset_ms = int((NOW.timestamp() + 40) * 1000)
    body = f'{{"error": {{"code": 429, "metadata": {{"headers": {{"X-RateLimit-Reset": "{reset_ms}"}}}}}}}}'

    assert retry_after_s(error_facts(body.encode()).headers, now=NOW) == pytest.approx(40.0)


def test_resets_are_left_alone_where_no_limit_was_hit() -> None:
    headers = {"x-ratelimit-reset-requests": "1s"}

    assert retry_after_s(headers, now=NOW, heeds_resets=False) is None


@pytest.mark.parametrize(
    ("now", "wait_s"),
    [
        (datetime(2026, 11, 24, 12, 0, tzinfo=UTC), 20 * 3600.0),
        (datetime(2026, 11, 24, 7, 59, 59, tzinfo=UTC), 1.0),
        (datetime(2026, 11, 1, 7, 0, tzinfo=UTC), 25 * 3600.0),  # the day on which summer time ends
        (datetime(2026, 7, 1, 6, 0, tzinfo=UTC), 3600.0),
    ],
)
def test_until_midnight_in_california(now: datetime, wait_s: float) -> None:
    assert until_midnight_s("America/Los_Angeles", now=now) == wait_s


@pytest.mark.parametrize("zone", ["Mars/Olympus", "", "../etc/passwd"])
def test_until_midnight_of_no_zone_is_a_day(zone: str) -> None:
    assert until_midnight_s(zone, now=NOW) == 86_400.0


def test_retry_after_measures_dates_by_the_providers_own_clock() -> None:
    headers = {"date": "Tue, 24 Nov 2020 12:00:00 GMT", "retry-after": "Tue, 24 Nov 2020 12:00:45 GMT"}

    assert retry_after_s(headers) == pytest.approx(45.0)


@given(
    headers=st.dictionaries(
        st.sampled_from(
            ["retry-after", "retry-after-ms", "date", "x-ratelimit-reset", "x-ratelimit-reset-tokens"]
        ),
        st.text() | st.from_regex(r"[0-9.]{0,20}(ms|s|m|h)?", fullmatch=True) | st.dates().map(str),
    ),
    message=st.text()
    | st.from_regex(r"try again in [0-9.]{1,30}(ms|s|m)", fullmatch=True)
    | st.from_regex(r"again on ([0-9]{4}-[0-9]{2}-[0-9]{2}|Feb [0-9]{1,2}, [0-9]{4}) at [0-9]{2}:[0-9]{2}"),
)
def test_retry_after_takes_anything(headers: dict[str, str], message: str) -> None:
    found = retry_after_s(headers, message=message)

    assert found is None or 0.0 <= found <= WAIT_CAP_S


@given(seconds=st.integers(0, 3600))
def test_retry_after_reads_back_what_a_date_says(seconds: int) -> None:
    text = (NOW + timedelta(seconds=seconds)).strftime("%a, %d %b %Y %H:%M:%S GMT")

    assert retry_after_s({"retry-after": text}, now=NOW) == seconds
