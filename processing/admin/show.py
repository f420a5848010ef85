"""How figures, states and times look on a page. Unknown is "–", never 0; every text from outside is escaped.

The template filters of `templatetags/processing_admin.py` are these same functions. Bars are SVG with
geometry in attributes, so that no inline style is needed.
"""

from collections.abc import Iterable
from datetime import datetime
from decimal import Decimal

from django.db.models import TextChoices
from django.urls import reverse
from django.utils import timezone
from django.utils.html import format_html, format_html_join
from django.utils.safestring import SafeString
from django.utils.timesince import timesince

from processing.rules.status import Coverage

DASH = "–"

_TONES: dict[str, str] = {
    "good": "completed answered active alive healthy",
    "busy": "processing running in_flight probing",
    "warn": "partial paused cooling truncated rate_limited exhausted",
    "bad": "failed invalid dead unreadable",
    "odd": "declined refused blocked",
    "off": "archived cancelled skipped disabled idle ended retired sunset",
}
_TONE_BY_STATE = {state: tone for tone, states in _TONES.items() for state in states.split()}

PARTS = ("answered", "failed", "declined", "skipped", "cancelled")


def badge(state: str, label: str = "") -> SafeString:
    """Show a state as a coloured pill; states without a colour of their own are neutral."""
    if not state:
        return SafeString(DASH)
    return format_html(
        '<span class="badge {}">{}</span>', _TONE_BY_STATE.get(state, ""), label or state.replace("_", " ")
    )


def outcome_badge(outcome: str) -> SafeString:
    """Show how a call ended: what is neither an answer nor declined nor a mere wait is an error."""
    tone = _TONE_BY_STATE.get(outcome, "bad")
    return format_html('<span class="badge {}">{}</span>', tone, outcome.replace("_", " "))


def choice_badge(value: str, choices: type[TextChoices]) -> SafeString:
    """Show a stored choice by its words."""
    return badge(value, str(choices(value).label) if value in choices.values else value)


def count(value: int | None) -> str:
    """Show a count with thousands marks."""
    return DASH if value is None else f"{value:,}"


def pace(value: float | None) -> str:
    """Show answers per minute; a slow pace keeps one decimal."""
    if value is None:
        return DASH
    return f"{value:.1f}" if 0 < value < 10 else f"{value:,.0f}"


def usd(value: Decimal | str | None) -> str:
    """Show money; parts of a cent stay visible, so that a cost is never rounded to nothing."""
    if value is None:
        return DASH
    amount = Decimal(value)
    return f"${amount:,.2f}" if amount == 0 or abs(amount) >= 1 else f"${amount:.4f}"


def share(value: float | None) -> str:
    """Show a share of 0–1 in percent; what is not complete never shows as 100 %."""
    if value is None:
        return DASH
    return "100 %" if value >= 1 else f"{min(value * 100, 99.9):.1f} %"


def seconds(value: float | None) -> str:
    """Show a duration given in seconds in its two largest useful units."""
    if value is None:
        return DASH
    whole = round(value)
    if whole < 60:
        return f"{whole} s"
    if whole < 600:
        return f"{whole // 60} min {whole % 60:02d} s"
    if whole < 3600:
        return f"{whole // 60} min"
    if whole < 172_800:
        return f"{whole // 3600} h {whole % 3600 // 60:02d} min"
    return f"{whole // 86_400} days"


def ago(at: datetime | None) -> SafeString:
    """Show an instant by its distance from now; the exact one is in the tooltip."""
    if at is None:
        return SafeString(DASH)
    now = timezone.now()
    exact = at.strftime("%Y-%m-%d %H:%M:%S UTC")
    if abs((now - at).total_seconds()) < 60:
        words = "just now" if at <= now else "in a moment"
    elif at < now:
        words = f"{timesince(at, now, depth=1)} ago"
    else:
        words = f"in {timesince(now, at, depth=1)}"
    return format_html('<time datetime="{}" title="{}">{}</time>', at.isoformat(), exact, words)


def bar(coverage: Coverage | None, *, css_class: str = "") -> SafeString:
    """Draw how many questions ended how, as one bar whose empty part is what is still open."""
    if coverage is None or not coverage.questions:
        words = "being planned" if coverage and coverage.questions is None else "no questions"
        return format_html('<svg class="bar {}" role="img" aria-label="{}"></svg>', css_class, words)
    total = coverage.questions
    rects, left = [], 0.0
    for part in PARTS:
        width = getattr(coverage, part) / total * 100
        if width:
            rects.append((part, f"{left:.3f}", f"{width:.3f}"))
        left += width
    return format_html(
        '<svg class="bar {}" viewBox="0 0 100 8" preserveAspectRatio="none" role="img" aria-label="{}">{}</svg>',
        css_class, coverage_words(coverage),
        format_html_join("", '<rect class="{}" x="{}" y="0" width="{}" height="8"/>', rects),
    )  # fmt: skip


def coverage_words(coverage: Coverage | None) -> str:
    """Say how much of a run is answered, and what failed: `812 of 1,000 answered, 3 failed`."""
    if coverage is None or coverage.questions is None:
        return "being planned"
    words = f"{coverage.answered:,} of {coverage.questions:,} answered"
    for part in PARTS[1:]:
        if amount := getattr(coverage, part):
            words += f", {amount:,} {part}"
    return words


def coverage_bar(coverage: Coverage | None) -> SafeString:
    """Draw a bar with its figures under it."""
    return format_html('{}<span class="bar-text">{}</span>', bar(coverage), coverage_words(coverage))


def cells_bar(answered: int, total: int) -> SafeString:
    """Draw how many cells of a domain's last selection have an answer; "–" when it was never asked."""
    if not total:
        return SafeString(DASH)
    drawn = bar(Coverage(questions=total, answered=answered))
    return format_html('{}<span class="bar-text">{:s} of {:s}</span>', drawn, f"{answered:,}", f"{total:,}")


def link(to: str, text: object, *, pk: object = None, query: str = "") -> SafeString:
    """Link to the admin page `to`, e.g. `processing_run_change`."""
    href = reverse(f"admin:{to}", args=[pk] if pk is not None else None)
    return format_html('<a href="{}{}">{}</a>', href, query, text)


def links(items: Iterable[SafeString]) -> SafeString:
    """Join links by commas; "–" for none."""
    return format_html_join(", ", "{}", ((item,) for item in items)) or SafeString(DASH)


def plural(n: int, one: str, many: str = "") -> str:
    """Say a number of things: `1 domain`, `1,200 domains`."""
    return f"{n:,} {one if n == 1 else many or one + 's'}"
