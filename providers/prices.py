"""What a call cost, from its token counts: prices that staff entered first, else the maintained price data.

No database here. An unknown price is None, never 0.
"""

import logging
from datetime import datetime
from decimal import Decimal
from functools import cache
from typing import Any

from providers.protocols.base import Target

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
    With entered prices cached input counts in full, so the figure is never too low.
    """
    if input_tokens is None or output_tokens is None:
        return None
    if target.input_usd_per_mtok is not None and target.output_usd_per_mtok is not None:
        entered = (
            input_tokens * target.input_usd_per_mtok + output_tokens * target.output_usd_per_mtok
        ) / _MTOK
        return entered.quantize(_STEP)
    if not target.price_provider:
        return None
    counts = {"input_tokens": input_tokens, "output_tokens": output_tokens}
    if cached_tokens:
        counts["cache_read_tokens"] = min(cached_tokens, input_tokens)
    return _maintained(target.price_provider, target.price_model or target.model, counts=counts, at=at)


def _maintained(provider: str, model: str, *, counts: dict[str, int], at: datetime) -> Decimal | None:
    calc_price, usage_class = _price_data()
    try:
        price = calc_price(usage_class(**counts), model, provider_id=provider, genai_request_timestamp=at)
    except (LookupError, ValueError, TypeError, ArithmeticError) as error:
        _log_unpriced(provider, model, type(error).__name__)
        return None
    return Decimal(price.total_price).quantize(_STEP)


@cache
def _price_data() -> tuple[Any, Any]:
    """Import the price data on first use: it takes a while, and commands that ask nothing need none."""
    from genai_prices import Usage, calc_price

    return calc_price, Usage


@cache
def _log_unpriced(provider: str, model: str, cause: str) -> None:
    """Say once per process that a model has no price."""
    logger.warning("No price is known for %s %s (%s): its cost stays unknown.", provider, model, cause)
