"""Prices that change with the size of the input, the hour or the day, as the providers publish them (2026-11-24)."""

from datetime import UTC, date, datetime
from decimal import Decimal

import pytest

from providers.keyring import lanes_for
from providers.models import ModelPrice
from providers.prices import cost_usd
from providers.protocols.base import DatedPrice
from tests.factories import make_model
from tests.providers.targets import make_target

TUESDAY = datetime(2026, 11, 24, 12, tzinfo=UTC)


def per_mtok(
    provider: str,
    model: str,
    *,
    at: datetime = TUESDAY,
    n_input: int = 1000,
    n_cached: int = 0,
    **values: object,
) -> tuple[Decimal, Decimal]:
    """Return what a million input and output tokens cost in a call of this size, in USD."""
    target = make_target(provider, model=model, **values)

    def cost(n_output: int) -> Decimal:
        found = cost_usd(target, input_tokens=n_input, output_tokens=n_output, cached_tokens=n_cached, at=at)
        assert found is not None
        return found

    return cost(0) * 1_000_000 / n_input, cost(1_000_000) - cost(0)


def usd(*amounts: str) -> tuple[Decimal, ...]:
    return tuple(Decimal(amount) for amount in amounts)


@pytest.mark.parametrize(
    ("provider", "model", "n_input", "prices"),
    [
        ("anthropic", "claude-haiku-5-5", 99_000, ("0.10", "0.50")),
        ("anthropic", "claude-haiku-5-5", 101_000, ("0.50", "2.50")),
        ("openai", "gpt-6-luna", 270_000, ("0.10", "0.50")),
        ("openai", "gpt-6-luna", 280_000, ("0.20", "0.75")),
        ("xai", "grok-4.7", 199_000, ("2", "6")),
        ("xai", "grok-4.7", 201_000, ("4", "12")),
    ],
)
def test_large_input_costs_more_as_a_whole(
    provider: str, model: str, n_input: int, prices: tuple[str, str]
) -> None:
    assert per_mtok(provider, model, n_input=n_input) == usd(*prices)


@pytest.mark.parametrize(
    ("model", "day", "prices"),
    [
        ("gemini-4-argon", date(2026, 11, 30), ("2", "10")),
        ("gemini-4-argon", date(2026, 12, 1), ("4", "20")),
        ("gemini-3.8-flash", date(2026, 12, 31), ("0.75", "3.75")),
        ("gemini-3.8-flash", date(2027, 1, 1), ("1.50", "7.50")),
    ],
)
def test_price_changes_on_its_day(model: str, day: date, prices: tuple[str, str]) -> None:
    at = datetime(day.year, day.month, day.day, 12, tzinfo=UTC)

    assert per_mtok("gemini", model, at=at) == usd(*prices)


@pytest.mark.parametrize(
    ("hour", "prices"), [(0, ("0.15", "0.60")), (2, ("0.30", "1.20")), (7, ("0.30", "1.20"))]
)
def test_price_changes_with_the_hour(hour: int, prices: tuple[str, str]) -> None:
    assert per_mtok("deepseek", "deepseek-flash", at=TUESDAY.replace(hour=hour)) == usd(*prices)


def test_price_data_charges_deepseeks_peak_on_weekends_too() -> None:
    """Known to be too high: the peak is Monday to Friday. A dated price in the admin would mend it."""
    saturday = datetime(2026, 11, 21, 2, tzinfo=UTC)

    assert per_mtok("deepseek", "deepseek-flash", at=saturday) == usd("0.30", "1.20")


@pytest.mark.parametrize(
    ("provider", "model", "prices"),
    [
        ("anthropic", "claude-opus-5-5", ("4", "20")),
        ("gemini", "gemini-3.5-flash-lite", ("0.30", "2.50")),
        ("mistral", "mistral-small-latest", ("0.15", "0.60")),
        ("mistral", "mistral-large-4", ("0.70", "2.10")),
        ("xai", "grok-4.3", ("1.25", "2.50")),
        ("together", "openai/gpt-oss-120b", ("0.15", "0.60")),
        ("perplexity", "perplexity/sonar", ("0.25", "2.50")),
        ("cohere", "command-r7b-12-2024", ("0.0375", "0.15")),
        ("groq", "openai/gpt-oss-20b", ("0.075", "0.30")),
        ("openrouter", "openai/gpt-6-luna", ("0.10", "0.50")),
    ],
)
def test_price_data_knows_the_catalogues_models(provider: str, model: str, prices: tuple[str, str]) -> None:
    assert per_mtok(provider, model) == usd(*prices)


DATED = (
    DatedPrice(date(2026, 11, 1), Decimal(1), Decimal(2)),
    DatedPrice(date(2026, 12, 1), Decimal(3), Decimal(4), Decimal("0.5")),
)


@pytest.mark.parametrize(
    ("at", "prices"),
    [
        (datetime(2026, 10, 31, 23, tzinfo=UTC), ("0.10", "0.50")),
        (datetime(2026, 11, 1, 0, tzinfo=UTC), ("1", "2")),
        (datetime(2026, 12, 24, 0, tzinfo=UTC), ("3", "4")),
    ],
)
def test_entered_price_counts_from_its_day(at: datetime, prices: tuple[str, str]) -> None:
    assert per_mtok("openai", "gpt-6-luna", at=at, dated_prices=DATED) == usd(*prices)


def test_cached_input_has_a_price_of_its_own_when_entered() -> None:
    at = datetime(2026, 12, 24, tzinfo=UTC)

    assert per_mtok("openai", "gpt-6-luna", at=at, n_cached=1000, dated_prices=DATED)[0] == Decimal("0.5")
    assert per_mtok("openai", "gpt-6-luna", n_cached=1000, dated_prices=DATED)[0] == Decimal(1)


@pytest.mark.django_db
def test_lane_carries_the_entered_prices() -> None:
    model = make_model()
    ModelPrice.objects.create(
        model=model, valid_from=date(2026, 11, 1), input_usd_per_mtok=1, output_usd_per_mtok=2
    )

    assert lanes_for([model.pk])[model.pk].target.dated_prices == DATED[:1]
