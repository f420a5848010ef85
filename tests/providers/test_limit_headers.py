"""The limits that providers tell in the headers of their answers."""

from datetime import UTC, datetime

import pytest
from hypothesis import given
from hypothesis import strategies as st

from providers.rules.limit_headers import LearnedLimit, learned_limits
from tests.providers.targets import make_target

NOW = datetime(2026, 11, 24, 12, 0, tzinfo=UTC)

# provider, its headers → limits
TOLD: list[tuple[str, dict[str, str], list[LearnedLimit]]] = [
    (
        "openai",
        {
            "x-ratelimit-limit-requests": "500",
            "x-ratelimit-remaining-requests": "499",
            "x-ratelimit-reset-requests": "120ms",
            "x-ratelimit-limit-tokens": "200000",
            "x-ratelimit-remaining-tokens": "0",
            "x-ratelimit-reset-tokens": "6m0s",
        },
        [LearnedLimit("requests", 500, 60, 499, 0.12), LearnedLimit("tokens", 200_000, 60, 0, 360.0)],
    ),
    (
        "groq",  # requests per day, tokens per minute
        {
            "x-ratelimit-limit-requests": "14400",
            "x-ratelimit-remaining-requests": "14370",
            "x-ratelimit-reset-requests": "2m59.56s",
            "x-ratelimit-limit-tokens": "18000",
            "x-ratelimit-remaining-tokens": "17997",
            "x-ratelimit-reset-tokens": "7.66s",
        },
        [
            LearnedLimit("requests", 14_400, 86_400, 14_370, 179.56),
            LearnedLimit("tokens", 18_000, 60, 17_997, 7.66),
        ],
    ),
    (
        "anthropic",
        {
            "anthropic-ratelimit-requests-limit": "50",
            "anthropic-ratelimit-requests-remaining": "49",
            "anthropic-ratelimit-requests-reset": "2026-11-24T12:00:01Z",
            "anthropic-ratelimit-input-tokens-limit": "50000",
            "anthropic-ratelimit-input-tokens-remaining": "49000",
            "anthropic-ratelimit-input-tokens-reset": "2026-11-24T12:00:02Z",
            "anthropic-ratelimit-output-tokens-limit": "10000",
            "anthropic-ratelimit-output-tokens-remaining": "10000",
            "anthropic-ratelimit-output-tokens-reset": "2026-11-24T11:59:59Z",
        },
        [
            LearnedLimit("requests", 50, 60, 49, 1.0),
            LearnedLimit("input_tokens", 50_000, 60, 49_000, 2.0),
            LearnedLimit("output_tokens", 10_000, 60, 10_000, 0.0),
        ],
    ),
    (
        "mistral",
        {
            "x-ratelimit-limit-req-minute": "60",
            "x-ratelimit-remaining-req-minute": "58",
            "x-ratelimit-limit-tokens-minute": "500000",
            "x-ratelimit-remaining-tokens-minute": "499000",
            "x-ratelimit-limit-tokens-month": "1000000000",
            "x-ratelimit-remaining-tokens-month": "999000000",
            "x-ratelimit-tokens-query-cost": "1000",
        },
        [
            LearnedLimit("requests", 60, 60, 58),
            LearnedLimit("tokens", 500_000, 60, 499_000),
            LearnedLimit("tokens", 1_000_000_000, 30 * 86_400, 999_000_000),
        ],
    ),
    (
        "openrouter",  # the window is not told
        {
            "x-ratelimit-limit": "20",
            "x-ratelimit-remaining": "0",
            "x-ratelimit-reset": str(int((NOW.timestamp() + 30) * 1000)),
        },
        [LearnedLimit("requests", 20, None, 0, 30.0)],
    ),
    ("deepseek", {"content-type": "application/json"}, []),
    ("openai", {"x-ratelimit-limit-requests": "many", "x-ratelimit-limit-tokens": ""}, []),
    ("openai", {"x-ratelimit-limit-requests": "0"}, []),
]


@pytest.mark.parametrize(("provider", "headers", "limits"), TOLD)
def test_learned_limits(provider: str, headers: dict[str, str], limits: list[LearnedLimit]) -> None:
    found = learned_limits(headers, make_target(provider).quirks, now=NOW)

    assert found == [
        LearnedLimit(
            one.what, one.amount, one.per_s, one.remaining,
            None if one.reset_s is None else pytest.approx(one.reset_s),  # type: ignore[arg-type]
        )
        for one in limits
    ]  # fmt: skip


def test_resets_are_measured_by_the_providers_own_clock() -> None:
    headers = {
        "date": "Tue, 24 Nov 2020 12:00:00 GMT",
        "anthropic-ratelimit-requests-limit": "50",
        "anthropic-ratelimit-requests-reset": "2020-11-24T12:00:05Z",
    }

    assert [limit.reset_s for limit in learned_limits(headers)] == [5.0]


names = st.sampled_from(
    [
        "x-ratelimit-limit-requests", "x-ratelimit-remaining-requests", "x-ratelimit-reset-requests",
        "x-ratelimit-limit", "x-ratelimit-reset", "anthropic-ratelimit-tokens-limit", "date",
    ]
)  # fmt: skip
values = st.text() | st.from_regex(r"[0-9.]{0,20}(ms|s|m|h)?", fullmatch=True) | st.just("500, 500;w=60")


@given(headers=st.dictionaries(names, values))
def test_learned_limits_take_anything(headers: dict[str, str]) -> None:
    for limit in learned_limits(headers):
        assert limit.amount > 0
        assert limit.reset_s is None or limit.reset_s >= 0
