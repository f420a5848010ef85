"""Real processes share one limit: a provider that counts by arrival never sees more, and nothing is rejected."""

import subprocess
import sys
import uuid
from pathlib import Path

import pytest

from processing.models import Attempt, Run
from providers.models import LanguageModel
from tests.factories import (
    make_domain,
    make_key,
    make_limit,
    make_model,
    make_prompt_version,
    make_provider,
    make_run,
)
from tests.stub_provider import Answer, Call, StubProvider, stub_provider

pytestmark = pytest.mark.django_db(transaction=True)

AMOUNT, WINDOW_S = 30, 3
N_PROCESSES, N_QUESTIONS = 4, 60
DRAIN = """
import asyncio, sys, uuid
import django
django.setup()
from processing.drain import DrainLoop, DrainPlan
print("ready", flush=True)
sys.stdin.readline()
asyncio.run(DrainLoop(DrainPlan(id=uuid.UUID(sys.argv[1]), own_run_only=True)).run())
"""


class StrictProvider:
    """Counts calls by their arrival in a sliding window, and turns away what is over the limit."""

    def __init__(self) -> None:
        self.arrivals: list[float] = []

    def __call__(self, call: Call, number: int) -> Answer:
        n_lately = sum(call.at - at < WINDOW_S for at in self.arrivals[-2 * AMOUNT :])
        if n_lately >= AMOUNT:
            return Answer(status=429, body={"error": {"code": "rate_limit_exceeded", "message": "over"}})
        self.arrivals.append(call.at)
        return Answer()


def make_own_run(model: LanguageModel) -> Run:
    domains = tuple(make_domain() for _ in range(N_QUESTIONS))
    return make_run(
        domains=domains, versions=(make_prompt_version(),), models=(model,), drain_only=uuid.uuid4()
    )


def drain_in_processes(runs: list[Run], env: dict[str, str]) -> None:
    command = [sys.executable, "-c", DRAIN]
    processes = [
        subprocess.Popen(
            [*command, str(run.drain_only)], env=env, cwd=Path(__file__).parents[2], text=True,
            stdin=subprocess.PIPE, stdout=subprocess.PIPE,
        )
        for run in runs
    ]  # fmt: skip
    try:
        pipes = [(process.stdin, process.stdout) for process in processes]
        assert [out.readline() for _, out in pipes if out] == ["ready\n"] * len(runs)
        for entry, _ in pipes:
            assert entry
            entry.write("go\n")
            entry.flush()
        assert [process.wait(timeout=90) for process in processes] == [0] * len(runs)
    finally:
        for process in processes:
            process.kill()
            process.communicate()


def starts(stub: StubProvider) -> list[float]:
    return sorted(call.at for call in stub.calls)


def test_four_processes_of_sixty_questions_keep_thirty_a_window(process_env: dict[str, str]) -> None:
    with stub_provider(StrictProvider()) as stub:
        provider = make_provider(base_url=stub.url)
        key = make_key(provider=provider)
        make_limit(pool=key.pool, amount=AMOUNT, per_s=WINDOW_S)
        model = make_model(provider=provider)
        runs = [make_own_run(model) for _ in range(N_PROCESSES)]
        drain_in_processes(runs, process_env)

    at = starts(stub)
    assert set(Attempt.objects.values_list("outcome", flat=True)) == {"answered"}
    assert len(at) == N_PROCESSES * N_QUESTIONS
    assert sum(one < at[0] + WINDOW_S for one in at) == AMOUNT
    assert min(b - a for a, b in zip(at, at[AMOUNT:], strict=False)) >= WINDOW_S
    # at the limit's pace: each window takes its guard of half a second as well
    assert at[-1] - at[0] <= (N_PROCESSES * N_QUESTIONS / AMOUNT) * (WINDOW_S + 0.5) * 1.25
