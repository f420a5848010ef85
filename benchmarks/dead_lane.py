"""What a dead provider costs the others: answers of ten live lanes with and without a dead one beside them.

Each lane is bound by its limit of calls at once. Rounds with and without the dead lane alternate; the figure is the
median over the pairs of (answers of the ten with it) ÷ (answers of the ten without), from the simulator's own log
(bar: at least 97 %).

`python -m benchmarks.dead_lane --kind port_closed` (nobody listens), `unavailable` (503) or `slow_first_byte` (silent).
"""

import argparse
import statistics
import tempfile
import time
from pathlib import Path

from benchmarks.fleet import Fleet, calls_of, simulated_service

DEAD = "groq"
AT_ONCE = 4
ROUND_S = 12.0
SCENARIO = """
title = "One dead provider"
all_providers = true
[defaults]
latency_ms = 500
answer_tokens = 200
[providers.{dead}]
own_port = true
[[faults]]
kind = "{kind}"
provider = "{dead}"
delay_s = 60
"""


def main() -> None:
    """Measure and print a line per pair and the median."""
    parser = argparse.ArgumentParser(
        description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter
    )
    parser.add_argument(
        "--kind", default="port_closed", choices=["port_closed", "unavailable", "slow_first_byte"]
    )
    parser.add_argument("--pairs", type=int, default=5)
    parser.add_argument("--workers", type=int, default=1)
    chosen = parser.parse_args()
    with tempfile.TemporaryDirectory() as folder:
        scenario = Path(folder) / "dead.toml"
        text = SCENARIO.format(dead=DEAD, kind=chosen.kind)
        scenario.write_text(text if chosen.kind == "slow_first_byte" else text.replace("delay_s = 60\n", ""))
        with simulated_service(scenario=scenario, n_workers=chosen.workers) as fleet:
            live = _setup()
            ratios = [_pair(fleet, live, number) for number in range(chosen.pairs)]
    print(
        f"{chosen.kind}: the ten keep {statistics.median(ratios):.1%} (median of {chosen.pairs} pairs, bar 97 %)"
    )


def _setup() -> list[str]:
    """Bind every pool to a few calls at once, make domains, and return the names of ten live models."""
    from processing.models import Domain
    from processing.services.selection import model_name
    from providers.keyring import askable_model_ids
    from providers.models import LanguageModel, Limit, LimitPool

    Limit.objects.all().delete()
    Limit.objects.bulk_create(
        [Limit(pool=pool, what="in_flight", amount=AT_ONCE, per_s=0) for pool in LimitPool.objects.all()]
    )
    n_domains = int(AT_ONCE / 0.5 * ROUND_S * 2)
    Domain.objects.bulk_create(
        [Domain(name=f"example-{k}.com", unicode_name=f"example-{k}.com") for k in range(n_domains)]
    )
    models = LanguageModel.objects.filter(pk__in=askable_model_ids(), is_default=True).select_related(
        "provider"
    )
    return [model_name(model) for model in models if model.provider.name != DEAD][:10]


def _pair(fleet: Fleet, live: list[str], number: int) -> float:
    dead = [f"{DEAD}:{_dead_model()}"]
    order = [True, False] if number % 2 else [False, True]
    answered = {with_dead: _round(fleet, live + dead if with_dead else live) for with_dead in order}
    print(f"pair {number + 1}: {answered[False]} answers without, {answered[True]} with the dead lane")
    return answered[True] / answered[False]


def _dead_model() -> str:
    from providers.models import LanguageModel

    return LanguageModel.objects.get(provider__name=DEAD, is_default=True).name


def _round(fleet: Fleet, models: list[str]) -> int:
    """Ask for a while and return how many answers the live providers gave within it, from their first call on."""
    from processing.models import Domain
    from processing.services.runs import run_cancel, run_create

    n_before = len(calls_of(fleet.calls_path))
    run = run_create(
        actor="benchmark",
        kind="staff",
        domains=Domain.objects.all(),
        prompts=["business-analysis"],
        models=models,
    )
    time.sleep(ROUND_S + 4)
    calls = [call for call in calls_of(fleet.calls_path)[n_before:] if call["provider"] != DEAD]
    run_cancel(run, actor="benchmark")
    time.sleep(4)
    first = min(call["at"] for call in calls)
    return sum(call["status"] == 200 and call["at"] < first + ROUND_S for call in calls)


if __name__ == "__main__":
    main()
