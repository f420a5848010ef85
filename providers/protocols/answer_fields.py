"""Takes single values out of decoded answers, where any field may be missing, null or of another type."""

import math
from decimal import Decimal
from typing import Any

from providers.rules.text import clean_text

MAX_TOKENS = 1_000_000_000  # more is a broken count, not an answer
MAX_COST_USD = Decimal(100_000)
_COST_STEP = Decimal("0.00000001")


def at_path(decoded: Any, path: str) -> Any:
    """Return the value at a dotted path such as `usage.cost`, None when there is none."""
    for name in path.split("."):
        decoded = decoded.get(name) if isinstance(decoded, dict) else None
    return decoded


def first_object(value: Any) -> dict[str, Any] | None:
    """Return the first element of a list when it is an object."""
    first = value[0] if isinstance(value, list) and value else None
    return first if isinstance(first, dict) else None


def objects(value: Any) -> list[dict[str, Any]]:
    """Return the objects in a list, none when it is no list."""
    return [one for one in value if isinstance(one, dict)] if isinstance(value, list) else []


def joined_text(parts: Any, *, of_type: str) -> str:
    """Return the texts of those parts of a list that are of this type; others hold thinking or calls."""
    return "".join(clean_text(part.get("text")) for part in objects(parts) if part.get("type") == of_type)


def n_tokens(decoded: Any, path: str) -> int | None:
    """Return a count of tokens; some providers send it as a float. None when it is missing or no count."""
    value = at_path(decoded, path)
    if isinstance(value, bool) or not isinstance(value, (int, float)):
        return None
    return int(value) if math.isfinite(value) and 0 <= value <= MAX_TOKENS else None


def sum_tokens(decoded: Any, path: str, *further_paths: str) -> int | None:
    """Return a count with further ones that it leaves out and that may be missing; None without the first."""
    count = n_tokens(decoded, path)
    if count is None:
        return None
    return count + sum(n_tokens(decoded, further) or 0 for further in further_paths)


def cost_at(decoded: Any, quirks: dict[str, Any]) -> Decimal | None:
    """Return the cost in USD that the provider itself reports at `cost_path`, in units of `cost_divisor`."""
    path = quirks.get("cost_path")
    value = at_path(decoded, path) if path else None
    if isinstance(value, bool) or not isinstance(value, (int, float, str)):
        return None
    try:
        cost_usd = Decimal(str(value)[:40]) / Decimal(quirks.get("cost_divisor", 1))
        return cost_usd.quantize(_COST_STEP) if 0 <= cost_usd <= MAX_COST_USD else None
    except ArithmeticError:  # no number, or a divisor of 0
        return None
