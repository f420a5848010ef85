"""What a call cost, from its token counts: prices that staff entered first, else the maintained price data.

No database here. An unknown price is None, never 0.
"""

import logging
from dataclasses import dataclass
from datetime import UTC, datetime
from decimal import Decimal
from functools import cache, lru_cache
from typing import Any

from providers.protocols.base import DatedPrice, Target

logger = logging.getLogger(__name__)
_MTOK = Decimal(1_000_000)
_STEP = Decimal("0.00000001")


def cost_usd(
    target: Target,
    *,
    input_tokens: int | None,
    output_tokens: int | None,
    cached_tokens: int | None,
    at: datetime,
) -> Decimal | None:
    """Return the cost of a call in USD, None when a price or a count is unknown; never raises.

    Worked example: 1,000 input and 2,000 output tokens at 0.10 and 0.50 USD per million → 0.0011.
    The order: the latest entered price that is valid by then, the undated one, the price data. With entered
    prices cached input counts in full unless its price was entered too, so the figure is never too low.
    """
    if input_tokens is None or output_tokens is None:
        return None
    if dated := _dated_at(target, at):
        n_cached = min(max(cached_tokens or 0, 0), input_tokens)
        per_cached = dated.input_usd if dated.cached_usd is None else dated.cached_usd
        usd = (input_tokens - n_cached) * dated.input_usd + n_cached * per_cached
        return ((usd + output_tokens * dated.output_usd) / _MTOK).quantize(_STEP)
    if target.input_usd_per_mtok is not None and target.output_usd_per_mtok is not None:
        entered = (
            input_tokens * target.input_usd_per_mtok + output_tokens * target.output_usd_per_mtok
        ) / _MTOK
        return entered.quantize(_STEP)
    if not target.price_provider:
        return None
    rates = _rates_at(
        target.price_provider,
        target.price_model or target.model,
        input_tokens,
        at.replace(minute=0, second=0, microsecond=0),
    )
    if rates is None or output_tokens < 0:
        return None
    n_cached = min(max(cached_tokens or 0, 0), input_tokens)
    return (rates.input_usd - n_cached * rates.saved_per_cached + output_tokens * rates.per_output).quantize(
        _STEP
    )


def _dated_at(target: Target, at: datetime) -> DatedPrice | None:
    day = at.astimezone(UTC).date()
    valid = [price for price in target.dated_prices if price.valid_from <= day]
    return max(valid, key=lambda price: price.valid_from, default=None)


@dataclass(frozen=True, slots=True)
class _Rates:
    """In USD: what all input costs uncached, what each cached token of it saves, what each output token costs."""

    input_usd: Decimal
    saved_per_cached: Decimal
    per_output: Decimal


@lru_cache(maxsize=20_000)
def _rates_at(provider: str, model: str, input_tokens: int, hour: datetime) -> _Rates | None:
    """Ask the price data for one size of input within one hour, None when it knows no price.

    Price steps depend on the size of the input, and prices change on the hour; for the same input all else is
    linear. The price data takes 0.1 ms a call, and the inputs of a prompt have few different sizes.
    """
    try:
        plain = _maintained(provider, model, hour, input_tokens=input_tokens, output_tokens=0)
        cached = _maintained(
            provider, model, hour, input_tokens=input_tokens, output_tokens=0, cache_read_tokens=input_tokens
        )
        with_output = _maintained(provider, model, hour, input_tokens=input_tokens, output_tokens=int(_MTOK))
    except (LookupError, ValueError, TypeError, ArithmeticError) as error:
        _log_unpriced(provider, model, type(error).__name__)
        return None
    return _Rates(
        input_usd=plain,
        saved_per_cached=(plain - cached) / input_tokens if input_tokens else Decimal(0),
        per_output=(with_output - plain) / _MTOK,
    )


def _maintained(provider: str, model: str, hour: datetime, **counts: int) -> Decimal:
    calc_price, usage_class = _price_data()
    price = calc_price(usage_class(**counts), model, provider_id=provider, genai_request_timestamp=hour)
    return Decimal(price.total_price)


@cache
def _price_data() -> tuple[Any, Any]:
    """Import the price data on first use: it takes a while, and commands that ask nothing need none."""
    from genai_prices import Usage, calc_price

    return calc_price, Usage


@cache
def _log_unpriced(provider: str, model: str, cause: str) -> None:
    """Say once per process that a model has no price."""
    logger.warning("No price is known for %s %s (%s): its cost stays unknown.", provider, model, cause)
