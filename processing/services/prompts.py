"""Writes prompts: a change is always a new version, so that answers stay comparable with the text they came from.

What a template may contain is decided in `processing.rules.prompts`; the texts of a new installation stand in
`processing/data/prompts.toml`.
"""

import tomllib
from pathlib import Path
from typing import Any

from django.db import transaction
from django.db.models import Max

from processing.errors import Invalid
from processing.models import Prompt, PromptVersion
from processing.rules.prompts import TemplateRefused, check_template

SEED_FILE = Path(__file__).resolve().parent.parent / "data" / "prompts.toml"
SEED_ACTOR = "installation"
WORDING = ("text", "system_text", "max_output_tokens", "temperature")


def prompt_version_create(
    prompt: Prompt,
    *,
    text: str,
    actor: str,
    system_text: str = "",
    max_output_tokens: int = 2000,
    temperature: float | None = None,
) -> PromptVersion:
    """Store the next version of a prompt, which is its current one from then on.

    Raises `Invalid` for a template or number that cannot be used, and when nothing differs from the current
    version.
    """
    version = PromptVersion(
        prompt=prompt,
        text=_clean(text),
        system_text=_clean(system_text),
        max_output_tokens=max_output_tokens,
        temperature=temperature,
        created_by=actor,
    )
    _check(version)
    with transaction.atomic():
        Prompt.objects.select_for_update().get(pk=prompt.pk)  # numbers are given out one at a time
        current = prompt.versions.order_by("-number").first()
        if current and all(getattr(current, name) == getattr(version, name) for name in WORDING):
            message = f"Nothing differs from version {current.number}, the current one."
            raise Invalid(message, fields={"text": [message]})
        version.number = (prompt.versions.aggregate(newest=Max("number"))["newest"] or 0) + 1
        version.save()
    return version


def prompts_seed() -> int:
    """Make the prompts of a new installation that are missing, and return how many; others are left alone."""
    n_made = 0
    for row in tomllib.loads(SEED_FILE.read_text(encoding="utf-8"))["prompts"]:
        wording: dict[str, Any] = {name: row[name] for name in WORDING if name in row}
        values = {name: value for name, value in row.items() if name not in wording}
        with transaction.atomic():
            prompt, is_new = Prompt.objects.get_or_create(name=values.pop("name"), defaults=values)
            if is_new:
                prompt_version_create(prompt, actor=SEED_ACTOR, **wording)
                n_made += 1
    return n_made


def _clean(text: str) -> str:
    """Line ends as models expect them: forms send CR LF."""
    return text.replace("\r\n", "\n").replace("\r", "\n").strip()


def _check(version: PromptVersion) -> None:
    fields: dict[str, list[str]] = {}
    for name in ("text", "system_text"):
        try:
            check_template(getattr(version, name), needs_domain=name == "text")
        except TemplateRefused as refused:
            fields[name] = refused.reasons
    if not 16 <= version.max_output_tokens <= 32_000:
        fields["max_output_tokens"] = ["A whole number of tokens from 16 to 32,000."]
    if version.temperature is not None and not 0 <= version.temperature <= 2:
        fields["temperature"] = ["A number from 0 to 2, or nothing."]
    if fields:
        raise Invalid("The prompt cannot be stored like this.", fields=fields)
