"""Reads prompts and their versions. Which of them a run asks is decided in `services.selection`."""

from collections.abc import Iterable

from django.db.models import Max

from processing.models import Prompt, PromptVersion


def current_versions_for(prompts: Iterable[Prompt]) -> dict[int, PromptVersion]:
    """Return prompt id → its current version, by one query; prompts without a version are left out."""
    versions = PromptVersion.objects.filter(prompt__in=[prompt.pk for prompt in prompts])
    newest = versions.order_by().values("prompt").annotate(newest=Max("pk")).values("newest")
    return {version.prompt_id: version for version in PromptVersion.objects.filter(pk__in=newest)}
