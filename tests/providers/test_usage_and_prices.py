"""What calls used and cost."""

from dataclasses import replace
from datetime import UTC, datetime
from decimal import Decimal
from typing import Any
from uuid import uuid4

import pytest
from genai_prices import Usage, calc_price
from hypothesis import given
from hypothesis import strategies as st

from providers.models import UsageBucket
from providers.prices import cost_usd
from providers.usage import UsageRow, usage_add
from tests.factories import make_key, make_model
from tests.providers.targets import make_target

AT = datetime(2026, 11, 24, 12, 0, tzinfo=UTC)
BOUNDS = (datetime(2026, 11, 1), datetime(2027, 2, 1))  # noqa: DTZ001 -- hypothesis adds the zone


def make_row(**values: Any) -> UsageRow:
    """Make a row of two answered calls."""
    model = make_model()
    key = make_key(provider=model.provider)
    row = UsageRow(
        AT, uuid4(), model.provider_id, model.pk, key.pk, "answered", n_calls=2, input_tokens=10, output_tokens=20,
        reasoning_tokens=5, cached_tokens=1, cost_usd=Decimal("0.00000011"), n_unpriced=1, latency_ms_sum=900,
        latency_ms_max=600,
    )  # fmt: skip
    return replace(row, **values)


def stored() -> list[tuple[object, ...]]:
    """Return what the buckets hold."""
    names = (
        "outcome",
        "n_calls",
        "input_tokens",
        "output_tokens",
        "cost_usd",
        "n_unpriced",
        "latency_ms_sum",
        "latency_ms_max",
    )
    return list(UsageBucket.objects.order_by("outcome", "id").values_list(*names))


@pytest.mark.django_db
def test_usage_adds_up() -> None:
    row = make_row()

    usage_add([row])
    usage_add([replace(row, latency_ms_max=700), row])

    assert stored() == [("answered", 6, 30, 60, Decimal("0.00000033"), 3, 2700, 700)]


@pytest.mark.django_db
def test_usage_keeps_makers_and_outcomes_apart() -> None:
    row = make_row()

    usage_add([row, replace(row, outcome="timeout"), replace(row, drain=uuid4())])

    assert [(outcome, n) for outcome, n, *_ in stored()] == [("answered", 2), ("answered", 2), ("timeout", 2)]


@pytest.mark.django_db
def test_usage_of_nothing_writes_nothing() -> None:
    usage_add([])

    assert stored() == []


def cost(
    input_tokens: int | None = 1000,
    output_tokens: int | None = 2000,
    cached_tokens: int | None = 0,
    **target: Any,
) -> Decimal | None:
    """Return the cost of a call."""
    counts = {"input_tokens": input_tokens, "output_tokens": output_tokens, "cached_tokens": cached_tokens}
    return cost_usd(make_target(**target), at=AT, **counts)


def test_cost_by_entered_prices() -> None:
    assert cost(input_usd_per_mtok=Decimal("0.10"), output_usd_per_mtok=Decimal("0.50")) == Decimal("0.0011")


def test_cost_by_maintained_prices() -> None:
    assert cost(model="gpt-6-luna") == Decimal("0.0011")
    cheaper = cost(model="gpt-6-luna", cached_tokens=900)
    assert cheaper is not None
    assert cheaper < Decimal("0.0011")


@given(
    provider=st.sampled_from(["openai", "anthropic", "deepseek", "groq", "xai", "perplexity"]),
    input_tokens=st.integers(0, 400_000),
    output_tokens=st.integers(0, 100_000),
    cached_share=st.floats(0, 1),
    at=st.datetimes(*BOUNDS, timezones=st.just(UTC)),
)
def test_cost_equals_that_of_the_price_data(
    provider: str, input_tokens: int, output_tokens: int, cached_share: float, at: datetime
) -> None:
    target, cached_tokens = make_target(provider), int(input_tokens * cached_share)
    usage = Usage(input_tokens=input_tokens, output_tokens=output_tokens, cache_read_tokens=cached_tokens)
    price = calc_price(usage, target.model, provider_id=target.price_provider, genai_request_timestamp=at)

    found = cost_usd(
        target, input_tokens=input_tokens, output_tokens=output_tokens, cached_tokens=cached_tokens, at=at
    )

    assert found is not None
    assert abs(found - price.total_price) <= Decimal("0.00000001")


def test_price_cliff_is_minded() -> None:
    below, above = cost(270_000, 0), cost(280_000, 0)

    assert below is not None and above is not None  # noqa: PT018
    assert above > below * Decimal("1.9")


@pytest.mark.parametrize(
    "unknown",
    [
        {"input_tokens": None},
        {"output_tokens": None},
        {"model": "nobody-knows-this"},
        {"provider": "openai-compatible"},
        {"price_provider": "no-such-provider"},
        {"input_usd_per_mtok": Decimal(1), "model": "nobody-knows-this"},
        {"input_tokens": -5},
    ],
)
def test_unknown_cost_is_none_and_never_zero(unknown: dict[str, Any]) -> None:
    assert cost(**unknown) is None
