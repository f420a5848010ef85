"""A run over all five wire formats with faults: what is stored equals what the simulator says has arrived."""

from collections import Counter
from decimal import Decimal

import pytest
from django.db.models import Sum

from processing.models import Attempt, Run
from providers.models import LanguageModel, UsageBucket
from providers.services import catalogue_load
from providers.services.simulation import simulation_apply
from tests.factories import make_domain, make_prompt_version, make_run
from tests.processing.test_drain import drain
from tests.simulator import RunningSimulator, running_simulator

pytestmark = pytest.mark.django_db(transaction=True)
PRICE = {"*": {"input_usd_per_mtok": 20, "output_usd_per_mtok": 70}}
PROVIDERS = ("openai", "anthropic", "gemini", "cohere", "perplexity", "mistral", "xai", "openrouter")
FAULTS = [
    {
        "name": kind,
        "kind": kind,
        "share": share,
        "calls": [1, 30],
    }  # then all is well, so that tries do not run out
    for kind, share in (("blocked", 0.1), ("empty", 0.05), ("cut_body", 0.05), ("wrong_model", 0.1))
]
SCENARIO = {
    "defaults": {"latency_ms": 20, "answer_tokens": {"from": 5, "to": 300}, "reasoning_tokens": {"from": 0, "to": 50}},
    "providers": {name: {"prices": PRICE} for name in PROVIDERS},
    "faults": FAULTS,
}  # fmt: skip


def make_simulated_run(simulator: RunningSimulator, *, n_domains: int) -> Run:
    catalogue_load()
    simulation_apply(specs=simulator.engine.scenario.providers, base_urls=simulator.base_urls, actor="tests")
    models = LanguageModel.objects.filter(is_default=True, provider__is_simulated=True)
    domains = tuple(make_domain() for _ in range(n_domains))
    return make_run(domains=domains, versions=(make_prompt_version(),), models=tuple(models))


def test_rows_counts_tokens_and_cost_equal_the_simulators_log() -> None:
    with running_simulator(SCENARIO) as simulator:
        run = make_simulated_run(simulator, n_domains=10)
        drain()
        sums = simulator.calls()

    run.refresh_from_db()
    attempts = Attempt.objects.all()
    by_provider = Counter(attempts.values_list("question__model__provider__name", "outcome"))
    assert by_provider == Counter({(one["provider"], one["outcome"]): one["n"] for one in sums["calls"]})
    assert run.n_questions == run.n_answered + run.n_declined + run.n_failed == 80
    assert set(attempts.values_list("simulated", flat=True)) == {True}
    costs = [rows.aggregate(usd=Sum("cost_usd"))["usd"] for rows in (attempts, UsageBucket.objects.all())]
    assert costs[0] == costs[1] == Decimal(str(sums["cost_usd"]))
