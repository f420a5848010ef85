"""Reads the sources that an answer names, which every format lists in another way, into one shape."""

from typing import Any

from providers.rules.text import clean_text

MAX_CITATIONS = 50
_MAX_LENGTH = {"url": 2000, "title": 500, "snippet": 1000, "date": 40}
_NAMES_IN_BODIES = {
    "url": ("url", "uri"),
    "title": ("title",),
    "snippet": ("snippet", "cited_text"),
    "date": ("date",),
}
_WRAPPERS = ("url_citation", "web")  # some formats put the source one level deeper


def citations(*lists: Any) -> list[dict[str, str]] | None:
    """Return the sources in these lists, each address once with all that is known of it; None without any.

    Shape of each: `url`, and where known `title`, `snippet`, `date`; in the order in which they are named.
    """
    found: dict[str, dict[str, str]] = {}
    for part in (part for parts in lists if isinstance(parts, list) for part in parts):
        source = _source(part)
        url = source.get("url", "")
        if url.startswith(("https://", "http://")) and (url in found or len(found) < MAX_CITATIONS):
            found[url] = {**source, **found.get(url, {})}
    return list(found.values()) or None


def _source(part: Any) -> dict[str, str]:
    if not isinstance(part, dict):
        return {}
    part = next((part[name] for name in _WRAPPERS if isinstance(part.get(name), dict)), part)
    said = {
        name: clean_text(next((part[key] for key in keys if part.get(key)), ""), max_length=_MAX_LENGTH[name])
        for name, keys in _NAMES_IN_BODIES.items()
    }
    return {name: value for name, value in said.items() if value}
