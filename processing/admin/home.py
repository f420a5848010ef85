"""What the home page shows: what runs, the queue, the domains, who can answer, and what to do next.

Figures come from the selectors that the API uses; what cannot be known now (Redis does not answer) is None.
"""

from collections.abc import Sequence
from dataclasses import dataclass, field
from typing import Any

from django.contrib.auth.models import AnonymousUser, User
from django.db.models import Count, Q
from django.urls import reverse

from processing.admin.base import START_PERMISSION
from processing.admin.run_page import rows_with_figures
from processing.models import Domain, Run
from processing.selectors.stats import stats
from providers.models import ApiKey, LanguageModel, Provider
from providers.selectors import blocked_reasons

RUNS_SHOWN = 6


@dataclass(frozen=True, slots=True)
class Step:
    """One step of a new installation: what to do, where, and whether it was done."""

    title: str
    text: str
    action: str
    url: str
    is_done: bool


@dataclass(frozen=True, slots=True)
class ProviderRow:
    """A provider with a key or an answering model: `why` says why none of its default models can be asked."""

    provider: Provider
    n_keys: int
    n_active_keys: int
    n_models: int
    n_askable: int
    why: str

    @property
    def is_off(self) -> bool:
        """Somebody turned it off, or the provider has retired the service: nothing is expected of it."""
        return not self.provider.is_enabled


@dataclass(frozen=True, slots=True)
class Home:
    """The home page of one user; parts that the user may not see are empty."""

    may_see_runs: bool
    may_see_domains: bool
    may_see_providers: bool
    may_start: bool
    may_import: bool
    open_runs: list[Run] = field(default_factory=list)
    recent_runs: list[Run] = field(default_factory=list)
    stats: dict[str, Any] = field(default_factory=dict)
    providers: list[ProviderRow] = field(default_factory=list)
    steps: list[Step] = field(default_factory=list)
    n_more_runs: int = 0

    @property
    def next_step(self) -> Step | None:
        """The first step that is not done."""
        return next((step for step in self.steps if not step.is_done), None)


def home_for(user: User | AnonymousUser) -> Home:
    """Return what the home page shows to this user."""
    sees = {
        name: _may_see(user, name) for name in ("processing.run", "processing.domain", "providers.apikey")
    }
    rows = provider_rows()
    open_runs, n_more = _open_runs() if sees["processing.run"] else ([], 0)
    return Home(
        may_see_runs=sees["processing.run"],
        may_see_domains=sees["processing.domain"],
        may_see_providers=sees["providers.apikey"],
        may_start=user.has_perm(START_PERMISSION),
        may_import=user.has_perm("processing.add_domain"),
        open_runs=open_runs,
        n_more_runs=n_more,
        recent_runs=_recent_runs() if sees["processing.run"] else [],
        stats=stats() if sees["processing.run"] or sees["processing.domain"] else {},
        providers=rows if sees["providers.apikey"] else [],
        steps=_steps(user, has_model=any(row.n_askable for row in rows)),
    )


def provider_rows() -> list[ProviderRow]:
    """Return the providers from which an answer could be expected: first who can be asked, last who is off.

    One that is off by the catalogue, with nothing but the empty key of a server that needs none, is left out.
    """
    is_key = Q(needs_key=True) | ~Q(keys__source=ApiKey.Source.NONE)
    providers = list(
        Provider.objects.annotate(
            n_keys=Count("keys", filter=is_key),
            n_active=Count("keys", filter=is_key & Q(keys__state=ApiKey.State.ACTIVE)),
        ).filter(Q(n_keys__gt=0) | Q(needs_key=False, is_enabled=True))
    )
    models = list(LanguageModel.objects.filter(provider__in=providers, is_default=True))
    reasons = blocked_reasons([model.pk for model in models])
    rows = []
    for provider in providers:
        own = [model for model in models if model.provider_id == provider.pk]
        blocked = [reasons[model.pk] for model in own if reasons.get(model.pk)]
        why = blocked[0] if blocked else ("" if own else "no default model")
        rows.append(
            ProviderRow(provider, provider.n_keys, provider.n_active, len(own), len(own) - len(blocked), why)
        )
    return sorted(rows, key=lambda row: (row.is_off, not row.n_askable, row.provider.name))


def _may_see(user: User | AnonymousUser, model: str) -> bool:
    app, name = model.split(".")
    return any(user.has_perm(f"{app}.{verb}_{name}") for verb in ("view", "change"))


def _open_runs() -> tuple[list[Run], int]:
    """Return the most urgent open runs, and how many more there are."""
    found = Run.objects.filter(finished_at__isnull=True).order_by("-priority", "id")
    runs = list(found[:RUNS_SHOWN])
    rows_with_figures(runs)
    n_more = max(0, found.count() - RUNS_SHOWN) if len(runs) == RUNS_SHOWN else 0
    return runs, n_more


def _recent_runs() -> list[Run]:
    runs = list(Run.objects.filter(finished_at__isnull=False).order_by("-id")[:RUNS_SHOWN])
    rows_with_figures(runs)
    return runs


def _steps(user: User | AnonymousUser, *, has_model: bool) -> list[Step]:
    """Return the first steps of an installation, or nothing once a run was made and something can answer."""
    has_run = Run.objects.exists()
    if has_run and has_model:
        return []
    steps: Sequence[tuple[str, Step]] = (
        ("providers.add_apikey", Step(
            "Add a provider's key", "Or set a variable such as OPENAI_API_KEY and restart.", "Add a key",
            reverse("admin:providers_apikey_add"), has_model)),
        ("processing.add_domain", Step(
            "Import domains", "Paste them or choose a file; every row is checked first.", "Import domains",
            reverse("admin:processing_domain_import"), Domain.objects.exists())),
        (START_PERMISSION, Step(
            "Process now", "Ask the default prompts about every domain that is due.", "Start a run",
            reverse("admin:processing_run_start"), has_run)),
    )  # fmt: skip
    return [step for permission, step in steps if user.has_perm(permission)]
