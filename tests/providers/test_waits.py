"""Every form in which a provider says how long to wait."""

from datetime import UTC, datetime, timedelta

import pytest
from hypothesis import given
from hypothesis import strategies as st

from providers.rules.waits import WAIT_CAP_S, retry_after_s, wait_from_text

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
    message=st.text() | st.from_regex(r"try again in [0-9.]{1,30}(ms|s|m)", fullmatch=True),
)
def test_retry_after_takes_anything(headers: dict[str, str], message: str) -> None:
    found = retry_after_s(headers, message=message)

    assert found is None or 0.0 <= found <= WAIT_CAP_S


@given(seconds=st.integers(0, 3600))
def test_retry_after_reads_back_what_a_date_says(seconds: int) -> None:
    text = (NOW + timedelta(seconds=seconds)).strftime("%a, %d %b %Y %H:%M:%S GMT")

    assert retry_after_s({"retry-after": text}, now=NOW) == seconds
