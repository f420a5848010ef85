"""The simulator on real sockets: its log equals what callers saw, connections fail as told, a run can be repeated."""

import asyncio
import json
import random
import signal
import subprocess
import sys
import time
from collections import Counter
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest
import requests
from django.conf import settings

from providers.protocols import protocol_for
from providers.protocols.base import Ask, Failure, HttpRequest, Outcome, Reply, Target
from providers.rules.secret import Secret
from providers.transport import AioTransport
from tests.processes import wait_until
from tests.providers.targets import make_target
from tests.simulator import QUICK, RunningSimulator, running_simulator

KEY = "sim-openai-1"


def target_at(simulator: RunningSimulator, provider: str = "openai") -> Target:
    return make_target(provider, base_url=simulator.base_urls[provider])


def request_to(target: Target, text: str, *, key: str = KEY, timeout_s: float = 10) -> HttpRequest:
    built = protocol_for(target.protocol).build(Ask(text, max_output_tokens=1000), target, Secret(key))
    return HttpRequest(built.method, built.url, built.headers, built.body, timeout_s)


def asked_all(
    simulator: RunningSimulator, texts: list[str], *, provider: str = "openai", timeout_s: float = 10
) -> list[Reply | Failure]:
    """Ask everything at once over the transport that the drain uses."""
    target = target_at(simulator, provider)

    async def one(transport: AioTransport, text: str) -> Reply | Failure:
        answer = await transport.send(request_to(target, text, key=f"sim-{provider}-1", timeout_s=timeout_s))
        if isinstance(answer, Failure):
            return answer
        return protocol_for(target.protocol).parse(target, answer.status, answer.headers, answer.body)

    async def run() -> list[Reply | Failure]:
        async with AioTransport() as transport:
            return list(await asyncio.gather(*(one(transport, text) for text in texts)))

    return asyncio.run(run())


def asked_once(simulator: RunningSimulator, **options: Any) -> Reply | Failure:
    return asked_all(simulator, ["What is known of nike.com?"], **options)[0]


@pytest.fixture(scope="module")
def simulator() -> Iterator[RunningSimulator]:
    """One simulator for the tests that only add faults; each begins anew."""
    with running_simulator({"providers": {"openai": {"own_port": True}, "mistral": {}}}) as running:
        yield running


@pytest.fixture(autouse=True)
def _anew(request: pytest.FixtureRequest) -> None:
    if "simulator" in request.fixturenames:
        request.getfixturevalue("simulator").post("reset")


@pytest.mark.parametrize(
    ("fault", "outcome"),
    [
        ({"kind": "cut_body"}, Outcome.CONNECTION),
        ({"kind": "reset"}, Outcome.CONNECTION),
        ({"kind": "port_closed", "provider": "openai"}, Outcome.CONNECTION),
        ({"kind": "stalled_body", "delay_s": 9}, Outcome.TIMEOUT),
        ({"kind": "slow_first_byte", "delay_s": 9}, Outcome.TIMEOUT),
        ({"kind": "slow_first_byte", "delay_s": 0.1}, Outcome.ANSWERED),
        ({"kind": "invalid_json"}, Outcome.MALFORMED),
        ({"kind": "html"}, Outcome.MALFORMED),
        ({"kind": "html", "status": 502}, Outcome.OVERLOADED),
        ({"kind": "empty_body"}, Outcome.MALFORMED),
        ({"kind": "bad_key"}, Outcome.KEY_INVALID),
        ({"kind": "overloaded"}, Outcome.OVERLOADED),
        ({"kind": "html", "is_on": False}, Outcome.ANSWERED),
        ({"kind": "html", "share": 0}, Outcome.ANSWERED),
        ({"kind": "html", "model": "gpt-6.1-sol"}, Outcome.ANSWERED),
        ({"kind": "html", "prompt": "adidas"}, Outcome.ANSWERED),
        ({"kind": "html", "prompt": "nike"}, Outcome.MALFORMED),
        ({"kind": "html", "seconds": [60, 90]}, Outcome.ANSWERED),
        ({"kind": "html", "strikes": "check"}, Outcome.ANSWERED),
    ],
)
def test_fault_reaches_the_caller_as_told(
    simulator: RunningSimulator, fault: dict[str, Any], outcome: Outcome
) -> None:
    assert simulator.post("faults", name="the fault", **fault).status_code == 200

    assert asked_once(simulator, timeout_s=0.5).outcome is outcome


def test_closed_port_leaves_the_others_open_and_opens_again(simulator: RunningSimulator) -> None:
    simulator.post("faults", name="dead", kind="port_closed", provider="openai")
    while_closed = (asked_once(simulator).outcome, asked_once(simulator, provider="mistral").outcome)
    simulator.post("faults", name="dead", is_on=False)

    assert while_closed == (Outcome.CONNECTION, Outcome.ANSWERED)
    assert asked_once(simulator).outcome is Outcome.ANSWERED


def test_port_opens_by_the_clock(simulator: RunningSimulator) -> None:
    simulator.post("faults", name="dead", kind="port_closed", provider="openai", seconds=[0, 1])
    assert asked_once(simulator).outcome is Outcome.CONNECTION

    wait_until(lambda: asked_once(simulator).outcome is Outcome.ANSWERED, timeout_s=5)


def test_fault_for_certain_calls_counts_only_those_that_fit(simulator: RunningSimulator) -> None:
    simulator.post("faults", name="third", kind="server_error", calls=[3, 4], provider="openai")

    outcomes = [asked_once(simulator).outcome for _ in range(5)]
    assert [outcome is Outcome.OVERLOADED for outcome in outcomes] == [False, False, True, True, False]


def test_log_and_sums_equal_what_callers_saw(tmp_path: Path) -> None:
    log = tmp_path / "calls.jsonl"
    faults = [
        {"name": kind, "kind": kind, "share": 0.2}
        for kind in ("server_error", "cut_body", "truncated", "empty", "rate_limited")
    ]
    with running_simulator({"faults": faults}, log=log) as simulator:
        replies = asked_all(simulator, [f"Question {number}" for number in range(200)])
        sums = simulator.calls()
        records = [json.loads(line) for line in log.read_text().splitlines()]

    seen = Counter(reply.outcome.value for reply in replies)
    tokens = sum(reply.output_tokens or 0 for reply in replies if isinstance(reply, Reply))
    taken = [one for one in records if one["is_delivered"] and one["outcome"] != "overloaded"]
    assert len(seen) == 6
    assert Counter(one["outcome"] for one in records) == seen == sums["n_by_outcome"]
    assert sum(one["output_tokens"] for one in taken) == tokens
    assert {one["key_last4"] for one in records} == {KEY[-4:]}
    assert KEY not in json.dumps(records)


def test_caller_who_leaves_frees_the_place_and_is_recorded_as_gone() -> None:
    pools = [{"keys": [KEY], "limits": [{"what": "in_flight", "amount": 1}]}]
    prices = {"*": {"input_usd_per_mtok": 10, "output_usd_per_mtok": 10}}
    openai = {"pools": pools, "prices": prices, "latency_ms": 5000}
    with running_simulator({"providers": {"openai": openai}}) as simulator:
        assert asked_once(simulator, timeout_s=0.3).outcome is Outcome.TIMEOUT
        wait_until(lambda: simulator.calls()["n_in_flight"] == 0)
        simulator.post("faults", name="quick", kind="server_error")
        assert asked_once(simulator).outcome is Outcome.OVERLOADED
        sums = simulator.calls()

    assert sums["n_by_outcome"] == {"gone": 1, "overloaded": 1}
    assert (sums["cost_usd"], sums["cost_undelivered_usd"] > 0) == (0, True)


def test_strict_limit_lets_in_what_it_allows_and_no_more() -> None:
    pools = [{"keys": [KEY], "limits": [{"what": "requests", "amount": 30, "per_s": 60}]}]
    with running_simulator({"providers": {"openai": {"pools": pools}}}) as simulator:
        replies = asked_all(simulator, [f"Question {number}" for number in range(100)])

    outcomes = Counter(reply.outcome for reply in replies)
    waits = [one.retry_after_s for one in replies if isinstance(one, Failure)]
    assert outcomes == {Outcome.ANSWERED: 30, Outcome.RATE_LIMITED: 70}
    assert all(wait is not None and 55 < wait <= 60 for wait in waits)


def played(seed: int | None, texts: list[str]) -> dict[str, tuple[str, str]]:
    faults = [{"kind": "server_error", "share": 0.3}]
    values = {"faults": faults, "defaults": {**QUICK, "latency_ms": {"from": 0, "to": 20}}}
    with running_simulator(values, seed=seed) as simulator:
        replies = asked_all(simulator, texts)
    return {
        text: (reply.outcome.value, (reply.text or "") if isinstance(reply, Reply) else "")
        for text, reply in zip(texts, replies, strict=True)
    }


def test_same_seed_gives_every_question_the_same_fate_in_any_order() -> None:
    texts = [f"Question {number}" for number in range(60)]
    first = played(7, texts)
    again = played(7, random.Random(1).sample(texts, len(texts)))
    other = played(8, texts)

    assert first == again != other


def test_reset_begins_anew(simulator: RunningSimulator) -> None:
    simulator.post("faults", name="x", kind="html")
    asked_once(simulator)
    simulator.post("reset")

    sums = simulator.calls()
    assert (sums["n_calls"], sums["calls"], simulator.get("faults").json()) == (0, [], {"faults": []})


def test_switch_of_an_unknown_fault_and_wrong_values_are_refused(simulator: RunningSimulator) -> None:
    answers = [
        simulator.post("faults", name="nobody", is_on=True),
        simulator.post("faults", name="x", kind="boom"),
        simulator.post("faults", name="x", kind="port_closed", provider="mistral"),
        simulator.get("nothing"),
    ]

    assert [answer.status_code for answer in answers] == [404, 400, 400, 404]
    assert "kind: 'boom' is none of" in answers[1].json()["error"]["message"]


def test_key_in_a_fault_is_shown_by_its_end_only(simulator: RunningSimulator) -> None:
    shown = simulator.post("faults", name="x", kind="html", key=KEY, prompt="nike").json()["faults"][0]

    assert (shown["key"], shown["prompt"]) == ("…ai-1", "nike")


def test_key_checks_and_lists_of_models_are_answered(simulator: RunningSimulator) -> None:
    address = f"{simulator.base_urls['openai']}/models"
    good, bad = (
        requests.get(address, headers={"Authorization": f"Bearer {key}"}, timeout=5) for key in (KEY, "sim-x")
    )

    assert (good.status_code, bad.status_code) == (200, 401)
    assert [one["id"] for one in good.json()["data"]] == ["gpt-6-luna", "gpt-6.1-sol"]


@pytest.fixture
def process(tmp_path: Path) -> Iterator[subprocess.Popen[str]]:
    """The command on a free port, ready to be asked."""
    command = [sys.executable, "manage.py", "simulate_providers", "--port", "0"]
    with subprocess.Popen(
        [*command, "--log", str(tmp_path / "calls.jsonl")],
        stdout=subprocess.PIPE, text=True, cwd=settings.BASE_DIR,
    ) as running:  # fmt: skip
        yield running
        running.kill()


def test_sigterm_ends_the_command_cleanly(process: subprocess.Popen[str], tmp_path: Path) -> None:
    assert process.stdout is not None
    url = next(line.split()[-1] for line in process.stdout if line.startswith("simulating"))
    with pytest.raises(requests.ReadTimeout):  # half a second is the latency of the plain scenario
        requests.post(
            f"{url}/openai/v1/chat/completions", timeout=0.1, headers={"Authorization": f"Bearer {KEY}"},
            json={"model": "gpt-6-luna", "messages": [{"role": "user", "content": "Hello"}]},
        )  # fmt: skip
    started = time.monotonic()
    process.send_signal(signal.SIGTERM)

    assert process.wait(5) == 0
    assert time.monotonic() - started < 3
    record = json.loads((tmp_path / "calls.jsonl").read_text())
    assert (record["provider"], record["outcome"], record["is_delivered"]) == ("openai", "gone", False)


def test_command_names_what_is_wrong_with_a_scenario(tmp_path: Path) -> None:
    scenario = tmp_path / "wrong.toml"
    scenario.write_text("[providers.openai]\nlatency = 3\n")
    ended = subprocess.run(
        [sys.executable, "manage.py", "simulate_providers", "--scenario", str(scenario)],
        capture_output=True, text=True, timeout=30, check=False, cwd=settings.BASE_DIR,
    )  # fmt: skip

    assert ended.returncode == 1
    assert "wrong.toml: providers.openai.latency: unknown key; known here: answer_char" in ended.stderr


def test_simulator_needs_no_django() -> None:
    code = "import sys, providers.simulator.server; sys.exit('django' in sys.modules)"

    ended = subprocess.run([sys.executable, "-c", code], timeout=30, check=False, cwd=settings.BASE_DIR)

    assert ended.returncode == 0
