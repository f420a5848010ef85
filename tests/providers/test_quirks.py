"""What providers do otherwise is declared: the quirks of the catalogue, of the documentation and of the code agree."""

import re
from pathlib import Path
from typing import Any

import pytest
from django.core.exceptions import ValidationError

from providers.environment import catalogue_entries
from providers.models import LanguageModel, Provider
from providers.protocols.base import Target
from providers.rules.quirks import quirk_errors

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


@pytest.mark.parametrize("entry", catalogue_entries(), ids=lambda entry: entry["name"])
def test_quirks_of_the_catalogue_are_well_formed(entry: dict[str, Any]) -> None:
    assert quirk_errors(entry.get("quirks", {})) == []


@pytest.mark.parametrize(
    ("quirks", "error"),
    [
        ([], "Quirks are an object with names."),
        ({"credit_markers": "billing"}, "credit_markers is a list of texts."),
        ({"credit_markers": [""]}, "credit_markers is a list of texts."),
        ({"cost_path": 1}, "cost_path is a text."),
        ({"has_think_tags": "yes"}, "has_think_tags is true or false."),
        ({"cost_divisor": 0}, "cost_divisor is a whole number above 0."),
        ({"daily_reset_zone": "Mars/Olympus"}, "daily_reset_zone is the name of a time zone."),
        ({"status_outcomes": {"498": "sad"}}, "status_outcomes names an outcome for each status."),
        ({"thinking_room_tokens": 4000}, "thinking_room_tokens gives a whole number above 0 for each model."),
        (
            {"thinking_room_tokens": {"m": -1}},
            "thinking_room_tokens gives a whole number above 0 for each model.",
        ),
        ({"colour": "red"}, "There is no quirk 'colour'."),
    ],
)
def test_wrong_quirks_are_named(quirks: Any, error: str) -> None:
    assert quirk_errors(quirks) == [error]


@pytest.mark.parametrize(
    "values",
    [{"quirks": {"colour": "red"}}, {"extra_body": []}, {"extra_headers": {"x": 1}}, {"key_check": "no"}],
)
def test_provider_refuses_what_a_protocol_could_not_use(values: dict[str, Any]) -> None:
    with pytest.raises(ValidationError) as caught:
        Provider(**values).clean()

    assert caught.value.message_dict.keys() == values.keys()


def test_model_refuses_options_that_are_no_object() -> None:
    with pytest.raises(ValidationError, match="An object with names"):
        LanguageModel(request_options=["temperature"]).clean()


@pytest.mark.parametrize("entry", catalogue_entries(), ids=lambda entry: entry["name"])
def test_the_catalogue_passes_the_same_checks(entry: dict[str, Any]) -> None:
    names = ("quirks", "extra_body", "extra_headers", "key_check")

    Provider(**{name: entry[name] for name in names if name in entry}).clean()
    for model in entry.get("models", []):
        LanguageModel(request_options=model.get("request_options", {})).clean()
