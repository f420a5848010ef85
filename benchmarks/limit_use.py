"""How exactly a fleet of workers uses the limit of a strict provider: share used, and calls answered 429.

The simulator counts by a sliding window on arrival, the strictest kind there is, and refuses what is over it. The
figures come from its own log, not from our records:

- `used`: calls let in during the 60 s that begin with the first one, as a share of the limit (bar: at least 98 %);
- `refused`: calls answered 429, as a share of all (bar: at most 0.1 %);
- `most`: the most calls that arrived within any 60 s (bar: never above the limit).

`python -m benchmarks.limit_use --rpm 600 --workers 4`, with tokens as the tighter limit also
`--tokens-per-minute 60000`.
"""

import argparse
import tempfile
import time
from pathlib import Path

from benchmarks.fleet import Call, Fleet, calls_of, simulated_service

WINDOW_S = 60.0
LONGEST_S = 200.0
SCENARIO = """
title = "One strict limit"
[[providers.openai.pools]]
name = "main"
keys = ["sim-openai-main-1"]
limits = [{limits}]
[providers.openai]
latency_ms = 500
answer_tokens = {answer_tokens}
"""


def main() -> None:
    """Measure once and print the figures."""
    parser = argparse.ArgumentParser(
        description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter
    )
    parser.add_argument("--rpm", type=int, default=600, help="requests a minute")
    parser.add_argument("--tokens-per-minute", type=int, default=0, help="the tighter limit; 0: none")
    parser.add_argument("--workers", type=int, default=4)
    chosen = parser.parse_args()
    with tempfile.TemporaryDirectory() as folder:
        scenario = Path(folder) / "limit.toml"
        scenario.write_text(_scenario(chosen.rpm, chosen.tokens_per_minute))
        with simulated_service(scenario=scenario, n_workers=chosen.workers) as fleet:
            _limits_set(chosen.rpm, chosen.tokens_per_minute)
            _run_start(n_questions=chosen.rpm * 2)
            calls = _calls_of_first_window(fleet)
    _report(calls, rpm=chosen.rpm, tokens_per_minute=chosen.tokens_per_minute)


def _scenario(rpm: int, tokens_per_minute: int) -> str:
    limits = f'{{ what = "requests", amount = {rpm}, per_s = 60 }}'
    if tokens_per_minute:
        limits += f', {{ what = "tokens", amount = {tokens_per_minute}, per_s = 60 }}'
    return SCENARIO.format(limits=limits, answer_tokens=300)


def _limits_set(rpm: int, tokens_per_minute: int) -> None:
    from providers.models import Limit, LimitPool

    pool = LimitPool.objects.get(provider__name="openai", keys__isnull=False)
    pool.limits.all().delete()
    Limit.objects.create(pool=pool, what="requests", amount=rpm, per_s=60)
    if tokens_per_minute:
        Limit.objects.create(pool=pool, what="tokens", amount=tokens_per_minute, per_s=60)


def _run_start(*, n_questions: int) -> None:
    from processing.models import Domain
    from processing.services.runs import run_create

    Domain.objects.bulk_create(
        [Domain(name=f"example-{k}.com", unicode_name=f"example-{k}.com") for k in range(n_questions)]
    )
    run_create(
        actor="benchmark",
        kind="staff",
        domains=Domain.objects.all(),
        prompts=["business-analysis"],
        providers=["openai"],
    )


def _calls_of_first_window(fleet: Fleet) -> list[Call]:
    """Wait until a window and a half has passed since the first call, and return all calls."""
    began = time.monotonic()
    first: float | None = None
    while time.monotonic() - began < LONGEST_S:
        calls = calls_of(fleet.calls_path)
        first = first or (time.monotonic() if calls else None)
        if first and time.monotonic() - first > WINDOW_S * 1.5:
            break
        time.sleep(1)
    return calls


def _report(calls: list[Call], *, rpm: int, tokens_per_minute: int) -> None:
    arrived = sorted(call["at"] for call in calls)
    let_in = [call for call in calls if call["status"] == 200]
    first = arrived[0]
    within = [call for call in let_in if call["at"] < first + WINDOW_S]
    n_refused = sum(call["status"] == 429 for call in calls)
    most = max(sum(start <= at < start + WINDOW_S for at in arrived) for start in arrived)
    used = len(within) / rpm
    if tokens_per_minute:
        n_tokens = sum(call["input_tokens"] + call["output_tokens"] for call in within)
        used = n_tokens / tokens_per_minute
    print(
        f"used {used:.1%} (bar 98 %) · refused {n_refused} of {len(calls)} ({n_refused / len(calls):.2%}, bar 0.1 %)"
    )
    print(f"most calls within any 60 s: {most} (limit {rpm}) · let in during the first 60 s: {len(within)}")


if __name__ == "__main__":
    main()
