"""What providers do otherwise is declared: the quirks of the catalogue, of the documentation and of the code agree."""

import re
from pathlib import Path

from providers.environment import catalogue_entries
from providers.protocols.base import Target

PROVIDERS = Path(__file__).parents[2] / "providers"
NOT_QUIRKS = {"quirks", "x-ratelimit-*-requests"}


def documented() -> set[str]:
    """Return the names of quirks in the docstring of Target."""
    text = (Target.__doc__ or "").partition("`quirks` says")[2]
    return set(re.findall(r"`([\w*-]+)`", text)) - NOT_QUIRKS


def used() -> set[str]:
    """Return the names of quirks that code asks for."""
    code = "".join(
        path.read_text() for folder in ("rules", "protocols") for path in (PROVIDERS / folder).glob("*.py")
    )
    asked = re.findall(r"quirks\.get\(\s*\"(\w+)\"", code)
    marked = re.findall(r"_has_marker\(\w+, quirks, \"(\w+)\"\)", code)
    return {*asked, *marked, *re.findall(r"\"(\w+_markers)\"", code)}


def test_every_quirk_of_the_catalogue_is_documented() -> None:
    names = {name for entry in catalogue_entries() for name in entry.get("quirks", {})}

    assert names <= documented()


def test_documented_quirks_are_those_that_code_knows() -> None:
    assert documented() == used()
