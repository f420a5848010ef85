"""Plain functions that make rows for tests; every value that a test does not care about is filled in."""

import itertools
import uuid
from datetime import timedelta
from typing import Any

from django.db.models.functions import Now
from django.utils import timezone

from processing.models import Attempt, Cohort, Domain, Prompt, PromptVersion, Question, Run
from providers.models import ApiKey, LanguageModel, Limit, LimitPool, Provider

_numbers = itertools.count(1)


def make_cohort(**values: Any) -> Cohort:
    """Make a cohort."""
    return Cohort.objects.create(**{"name": f"cohort-{next(_numbers)}", **values})


def make_domain(name: str | None = None, *, cohorts: tuple[Cohort, ...] = (), **values: Any) -> Domain:
    """Make a domain that is due now and was never asked about."""
    name = name or f"domain{next(_numbers)}.com"
    domain = Domain.objects.create(**{"name": name, "unicode_name": name, **values})
    domain.cohorts.set(cohorts)
    domain.refresh_from_db()
    return domain


def make_prompt_version(*, prompt: Prompt | None = None, **values: Any) -> PromptVersion:
    """Make version 1 (or the next) of a default prompt."""
    if prompt is None:
        number = next(_numbers)
        prompt = Prompt.objects.create(name=f"prompt-{number}", label=f"Prompt {number}", is_default=True)
    usual = {"number": prompt.versions.count() + 1, "text": "What is {domain}?", "created_by": "tests"}
    return PromptVersion.objects.create(prompt=prompt, **{**usual, **values})


def make_provider(name: str | None = None, **values: Any) -> Provider:
    """Make a provider that speaks the OpenAI chat format at an address where nobody listens."""
    name = name or f"provider{next(_numbers)}"
    usual = {
        "name": name,
        "label": name.title(),
        "protocol": "openai_chat",
        "base_url": "http://127.0.0.1:9",
        "chat_path": "/v1/chat/completions",
        "output_cap_field": "max_tokens",
    }
    return Provider.objects.create(**{**usual, **values})


def make_model(*, provider: Provider | None = None, **values: Any) -> LanguageModel:
    """Make a default model."""
    usual = {"name": f"model-{next(_numbers)}", "tier": "fast", "is_default": True}
    return LanguageModel.objects.create(provider=provider or make_provider(), **{**usual, **values})


def make_pool(*, provider: Provider | None = None, **values: Any) -> LimitPool:
    """Make a pool without limits, or return the provider's own."""
    provider = provider or make_provider()
    return LimitPool.objects.get_or_create(
        provider=provider, name=values.pop("name", "default"), defaults=values
    )[0]


def make_limit(*, pool: LimitPool, **values: Any) -> Limit:
    """Make a limit of 60 requests a minute for the whole pool."""
    return Limit.objects.create(pool=pool, **{"what": "requests", "amount": 60, "per_s": 60, **values})


def make_key(*, provider: Provider | None = None, pool: LimitPool | None = None, **values: Any) -> ApiKey:
    """Make a usable key that needs no secret (source `none`); give `source` and `ciphertext` for others."""
    provider = provider or (pool.provider if pool else make_provider())
    pool = pool or make_pool(provider=provider)
    usual = {
        "source": ApiKey.Source.NONE,
        "label": "test key",
        "fingerprint": f"fingerprint-{next(_numbers)}",
    }
    return ApiKey.objects.create(provider=provider, pool=pool, **{**usual, **values})


def make_run(
    *,
    domains: tuple[Domain, ...] = (),
    versions: tuple[PromptVersion, ...] = (),
    models: tuple[LanguageModel, ...] = (),
    **values: Any,
) -> Run:
    """Make a planned run with a waiting question per cell, and claim its domains."""
    usual = {
        "kind": Run.Kind.API,
        "created_by": "client:tester",
        "deadline_at": timezone.now() + timedelta(days=7),
    }
    n_questions = len(domains) * len(versions) * len(models)
    run = Run.objects.create(**{**usual, "planned_at": Now(), "n_questions": n_questions, **values})
    run.prompt_versions.set(versions)
    run.language_models.set(models)
    for domain, version, model in itertools.product(domains, versions, models):
        Question.objects.create(run=run, domain=domain, prompt_version=version, model=model)
    Domain.objects.filter(pk__in=[domain.pk for domain in domains]).update(open_run=run, selection_run=run)
    run.refresh_from_db()
    return run


def make_question(*, run: Run | None = None, **values: Any) -> Question:
    """Make a waiting question; its run, domain, prompt version and model are made unless given."""
    cell = {
        "run": run or make_run(),
        "domain": values.pop("domain", None) or make_domain(),
        "prompt_version": values.pop("prompt_version", None) or make_prompt_version(),
        "model": values.pop("model", None) or make_model(),
    }
    question = Question.objects.create(**cell, **values)
    question.refresh_from_db()
    return question


def make_attempt(*, question: Question | None = None, **values: Any) -> Attempt:
    """Make an attempt that answered; the question itself is not changed."""
    usual = {"drain": uuid.uuid4(), "outcome": "answered", "text": "A shop for shoes.", "latency_ms": 400}
    return Attempt.objects.create(question=question or make_question(), **{**usual, **values})
