"""How figures and states of runs look on a page. Unknown is "–", never 0; every text from outside is escaped.

The template filters of `templatetags/processing_admin.py` are these same functions. Bars are SVG with
geometry in attributes, so that no inline style is needed.
"""

from collections.abc import Iterable

from django.db.models import TextChoices
from django.utils.html import format_html, format_html_join
from django.utils.safestring import SafeString

from processing.rules.status import Coverage
from providers.admin.show import DASH, TONE_OF, ago, link, pill, plural, usd

__all__ = [
    "DASH", "ago", "badge", "bar", "cells_bar", "choice_badge", "count", "coverage_bar", "coverage_words", "link",
    "links", "outcome_badge", "pace", "plural", "seconds", "share", "usd",
]  # fmt: skip

_TONES: dict[str, str] = {
    "good": "completed alive healthy",
    "busy": "processing running in_flight",
    "warn": "partial",
    "bad": "failed dead",
    "odd": "declined",
    "off": "archived cancelled skipped idle ended",
}
_TONE_BY_STATE = TONE_OF | {state: tone for tone, states in _TONES.items() for state in states.split()}

PARTS = ("answered", "failed", "declined", "skipped", "cancelled")


def badge(state: str, label: str = "") -> SafeString:
    """Show a state as a coloured pill; states without a colour of their own are neutral."""
    if not state:
        return SafeString(DASH)
    return pill(_TONE_BY_STATE.get(state, ""), label or state.replace("_", " "))


def outcome_badge(outcome: str) -> SafeString:
    """Show how a call ended: what is neither an answer nor declined nor a mere wait is an error."""
    return pill(_TONE_BY_STATE.get(outcome, "bad"), outcome.replace("_", " "))


def choice_badge(value: str, choices: type[TextChoices]) -> SafeString:
    """Show a stored choice by its words."""
    return badge(value, str(choices(value).label) if value in choices.values else value)


def count(value: int | None) -> str:
    """Show a count with thousands marks."""
    return DASH if value is None else f"{value:,}"


def pace(value: float | None) -> str:
    """Show how many per minute; a slow pace keeps one decimal."""
    if value is None:
        return DASH
    return f"{value:.1f}" if 0 < value < 10 else f"{value:,.0f}"


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


def links(items: Iterable[SafeString]) -> SafeString:
    """Join links by commas; "–" for none."""
    return format_html_join(", ", "{}", ((item,) for item in items)) or SafeString(DASH)
