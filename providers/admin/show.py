"""How states, times, money and links look on admin pages. Unknown is "–", never 0; texts from outside are escaped."""

from datetime import datetime
from decimal import Decimal

from django.urls import reverse
from django.utils import timezone
from django.utils.html import format_html
from django.utils.safestring import SafeString
from django.utils.timesince import timesince

DASH = "–"
_TONES = {
    "good": ("active", "answered", "answers now", "yes"),
    "busy": ("probing",),
    "warn": (
        "cooling", "exhausted", "paused", "never worked", "no usable key", "no model to ask", "truncated",
        "rate_limited",
    ),
    "bad": ("invalid", "unreadable"),
    "odd": ("refused", "blocked"),
    "off": ("disabled", "retired", "sunset", "off", "no", "not supported yet"),
}  # fmt: skip
TONE_OF = {state: tone for tone, states in _TONES.items() for state in states}
SMALLEST_USD = Decimal("0.0001")


def pill(tone: str, words: str) -> SafeString:
    """Show words as a coloured pill; "" is neutral."""
    return format_html('<span class="badge {}">{}</span>', tone, words)


def badge(state: str, label: str = "") -> SafeString:
    """Show a state of providers, models or keys as a coloured pill."""
    return pill(TONE_OF.get(state, ""), label or state)


def ago(at: datetime | None) -> SafeString:
    """Show an instant by its distance from now; the exact one is in the tooltip."""
    if at is None:
        return SafeString(DASH)
    now = timezone.now()
    if abs((now - at).total_seconds()) < 60:
        words = "just now" if at <= now else "in a moment"
    elif at < now:
        words = f"{timesince(at, now, depth=1)} ago"
    else:
        words = f"in {timesince(now, at, depth=1)}"
    exact = at.strftime("%Y-%m-%d %H:%M:%S UTC")
    return format_html('<time datetime="{}" title="{}">{}</time>', at.isoformat(), exact, words)


def usd(value: Decimal | str | None) -> str:
    """Show money; parts of a cent stay visible, and what is not nothing never shows as nothing."""
    if value is None:
        return DASH
    amount = Decimal(value)
    if 0 < amount < SMALLEST_USD:
        return f"<${SMALLEST_USD}"
    return f"${amount:,.2f}" if amount == 0 or abs(amount) >= 1 else f"${amount:.4f}"


def link(to: str, text: object, *, pk: object = None, query: str = "") -> SafeString:
    """Link to the admin page `to`, e.g. `providers_apikey_change`."""
    href = reverse(f"admin:{to}", args=[pk] if pk is not None else None)
    return format_html('<a href="{}{}">{}</a>', href, query, text)


def plural(n: int, one: str, many: str = "") -> str:
    """Say a number of things: `1 domain`, `1,200 domains`."""
    return f"{n:,} {one if n == 1 else many or one + 's'}"
