"""From claimed questions to what is sent: the wording of a prompt version filled with what is known of a domain."""

from collections.abc import Mapping, Sequence
from typing import Any

from processing.claims import Claim
from processing.models import Domain, PromptVersion
from processing.rules.prompts import render
from providers.protocols.base import Ask


def asks_for(claims: Sequence[Claim]) -> dict[int, Ask]:
    """Return question id → what to ask; two queries."""
    domains: dict[int, Mapping[str, Any]] = {
        row["id"]: row
        for row in Domain.objects.filter(pk__in={claim.domain_id for claim in claims}).values(
            "id", "unicode_name", "display_name", "category"
        )
    }
    versions = PromptVersion.objects.in_bulk({claim.prompt_version_id for claim in claims})
    return {
        claim.question_id: _ask(claim, domains[claim.domain_id], versions[claim.prompt_version_id])
        for claim in claims
    }


def _ask(claim: Claim, domain: Mapping[str, Any], version: PromptVersion) -> Ask:
    values = {
        "domain": domain["unicode_name"],
        "name": domain["display_name"] or domain["unicode_name"],
        "category": domain["category"],
    }
    return Ask(
        text=render(version.text, values),
        system_text=render(version.system_text, values),
        max_output_tokens=version.max_output_tokens * claim.cap_factor,
        temperature=version.temperature,
    )
