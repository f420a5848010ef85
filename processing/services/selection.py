"""Which prompts and models a run asks: names resolved to rows, what cannot be asked set apart with the reason."""

from collections.abc import Sequence
from dataclasses import dataclass

from django.db.models import OuterRef, QuerySet, Subquery

from processing.errors import Invalid, NoModels, NoPrompts
from processing.models import Prompt, PromptVersion
from providers.models import LanguageModel, Provider
from providers.selectors import blocked_reasons

Names = Sequence[str | int] | None


@dataclass(frozen=True, slots=True)
class ModelChoice:
    """`models` can be asked now; `excluded` are rows `{"model": "provider:name", "reason": …}` that cannot."""

    models: list[LanguageModel]
    excluded: list[dict[str, str]]


def prompt_versions_choose(prompts: Names = None) -> list[PromptVersion]:
    """Return the current version of each named prompt, or of each default prompt when none is named.

    Raises `Invalid` for an unknown name, `NoPrompts` when there is nothing to ask.
    """
    active = Prompt.objects.filter(is_archived=False)
    if prompts is None:
        chosen = list(_current_versions(active.filter(is_default=True)))
        if not chosen:
            raise NoPrompts(
                "No prompt is marked as default. Name the prompts, or mark one as default in the admin."
            )
        return chosen
    chosen = list(_current_versions(active.filter(name__in=[str(name) for name in prompts])))
    unknown = sorted({str(name) for name in prompts} - {version.prompt.name for version in chosen})
    if unknown:
        raise Invalid(
            "Unknown prompts.", fields={"prompts": [f"There is no prompt {name!r}." for name in unknown]}
        )
    if not chosen:
        raise NoPrompts("The list of prompts is empty: name at least one, or leave it out for the defaults.")
    return chosen


def models_choose(models: Names = None, providers: Names = None) -> ModelChoice:
    """Return the named models, or each usable provider's default models when none is named.

    A model is named `provider:model`, by its bare name where that is unique, or by its id. `providers`
    narrows the choice. Raises `Invalid` for an unknown name, `NoModels` when none can be asked.
    """
    candidates = LanguageModel.objects.select_related("provider").order_by("id")
    if providers is not None:
        _known_providers_only(providers)
        candidates = candidates.filter(provider__name__in=[str(name) for name in providers])
    named = models is not None
    chosen = _named_models(candidates, models or []) if named else list(candidates.filter(is_default=True))
    reasons = blocked_reasons([model.pk for model in chosen])
    usable = [model for model in chosen if not reasons.get(model.pk)]
    excluded = [
        {"model": model_name(model), "reason": reasons[model.pk]} for model in chosen if reasons.get(model.pk)
    ]
    if not usable:
        raise NoModels(_what_is_missing(excluded), extra={"excluded": excluded})
    return ModelChoice(usable, excluded)


def model_name(model: LanguageModel) -> str:
    """Return the one name of a model in the API: `provider:model`."""
    return f"{model.provider.name}:{model.name}"


def _current_versions(prompts: QuerySet[Prompt]) -> QuerySet[PromptVersion]:
    newest = PromptVersion.objects.filter(prompt=OuterRef("pk")).order_by("-number").values("pk")[:1]
    return (
        PromptVersion.objects.filter(pk__in=prompts.annotate(newest=Subquery(newest)).values("newest"))
        .select_related("prompt")
        .order_by("prompt__name")
    )


def _known_providers_only(providers: Sequence[str | int]) -> None:
    known = set(Provider.objects.values_list("name", flat=True))
    unknown = sorted({str(name) for name in providers} - known)
    if unknown:
        raise Invalid(
            "Unknown providers.",
            fields={
                "providers": [
                    f"There is no provider {name!r}; known: {', '.join(sorted(known))}." for name in unknown
                ]
            },
        )


def _named_models(candidates: QuerySet[LanguageModel], names: Sequence[str | int]) -> list[LanguageModel]:
    by_name: dict[str, list[LanguageModel]] = {}
    for model in candidates:
        for alias in (model_name(model), model.name, str(model.pk)):
            by_name.setdefault(alias, []).append(model)
    problems = []
    chosen: dict[int, LanguageModel] = {}
    for name in map(str, names):
        found = by_name.get(name, [])
        if len(found) == 1:
            chosen[found[0].pk] = found[0]
        elif found:
            problems.append(f"{name!r} is ambiguous: name one of {', '.join(model_name(m) for m in found)}.")
        else:
            problems.append(f"There is no model {name!r}.")
    if problems:
        raise Invalid("Unknown models.", fields={"models": problems})
    return list(chosen.values())


def _what_is_missing(excluded: list[dict[str, str]]) -> str:
    if not excluded:
        return "No model can be asked: no default model is left by this choice. Name models, or mark one as default."
    reasons = "; ".join(f"{row['model']}: {row['reason']}" for row in excluded[:13])
    return f"No model can be asked. Add an API key in the admin or the environment. ({reasons})"
