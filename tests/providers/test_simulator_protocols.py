"""Our protocols read the simulator's answers and errors as what they are, for every provider and kind of fault."""

import time
from typing import Any

import pytest

from providers.environment import catalogue_entries
from providers.protocols import protocol_for, protocol_is_built
from providers.protocols.base import Ask, Failure, HttpRequest, Outcome, Reply, Target
from providers.rules.limit_headers import learned_limits
from providers.rules.secret import Secret
from providers.simulator.dialects import dialect_for, error_kinds
from providers.simulator.engine import Engine
from providers.simulator.faults import ANSWER_KINDS
from providers.simulator.journal import Journal
from providers.simulator.plan import Plan
from providers.simulator.scenario import scenario_of
from tests.providers.targets import make_target

BUILT = [one["name"] for one in catalogue_entries() if protocol_is_built(one["protocol"])]
BODY_KINDS = ("error_in_200", "invalid_json", "html", "empty_body")
QUICK = {"latency_ms": 0, "answer_tokens": 40, "reasoning_tokens": 10, "cached_share": 0.5}


def make_engine(provider: str, **values: Any) -> Engine:
    return Engine(
        scenario_of({"defaults": QUICK, "providers": {provider: {"models": []}}, **values}),
        journal=Journal(None),
    )


def extras_of(provider: str) -> dict[str, Any]:
    entry = next(one for one in catalogue_entries() if one["name"] == provider)
    path = entry["base_url"].split("/", 3)[3:]
    base_url = "/".join([f"http://simulator/{provider}", *path]).rstrip("/")
    return {"base_url": base_url, "extra_headers": entry.get("extra_headers", {})}


def ask_for(provider: str, **asked: Any) -> tuple[Target, HttpRequest]:
    target = make_target(provider, **extras_of(provider))
    ask = Ask(**{"text": "What is known of nike.com?", "max_output_tokens": 1000, **asked})
    return target, protocol_for(target.protocol).build(ask, target, Secret(f"sim-{provider}-1"))


def sent(engine: Engine, request: HttpRequest) -> Plan:
    path = request.url.removeprefix("http://simulator")
    headers = {name.lower(): value for name, value in request.headers.items()}
    return engine.plan(method=request.method, path=path, headers=headers, body=request.body or b"")


def asked(provider: str, fault: dict[str, Any] | None = None) -> tuple[Plan, Reply | Failure]:
    """Ask the provider once, and return what the simulator did and what our protocol makes of it."""
    engine = make_engine(provider, faults=[fault] if fault else [])
    target, request = ask_for(provider)
    plan = sent(engine, request)
    headers = {name.lower(): value for name, value in plan.headers.items()}
    return plan, protocol_for(target.protocol).parse(target, plan.status, headers, plan.body)


@pytest.mark.parametrize("provider", BUILT)
def test_answer_is_read_with_all_its_figures(provider: str) -> None:
    plan, reply = asked(provider)

    assert isinstance(reply, Reply)
    assert reply.outcome is plan.record.outcome is Outcome.ANSWERED
    assert (reply.text or "").startswith("Simulated answer")
    assert (reply.input_tokens, reply.output_tokens) == (plan.record.input_tokens, 50)


@pytest.mark.parametrize("kind", ANSWER_KINDS)
@pytest.mark.parametrize("provider", BUILT)
def test_answer_of_a_kind_is_read_as_that(provider: str, kind: str) -> None:
    plan, reply = asked(provider, {"kind": kind})

    assert (reply.outcome, plan.record.fault) == (plan.record.outcome, "fault 1")


@pytest.mark.parametrize(
    ("provider", "kind"),
    [
        (provider, kind)
        for provider in BUILT
        for kind in (*error_kinds(), *BODY_KINDS)
        if kind in (*dialect_for(provider).errors, *BODY_KINDS)
    ],
)
def test_error_is_read_as_what_it_is(provider: str, kind: str) -> None:
    plan, failure = asked(provider, {"kind": kind, "provider": provider})

    assert isinstance(failure, Failure)
    assert failure.outcome is plan.record.outcome


@pytest.mark.parametrize(
    ("hint", "wait_s"),
    [
        ("retry-after", 3.0), ("retry-after-float", 2.5), ("retry-after-ms", 2.5), ("message", 2.5),
        ("http-date", pytest.approx(3, abs=1)),
    ],
)  # fmt: skip
def test_wait_is_read_in_every_form(hint: str, wait_s: float) -> None:
    _plan, failure = asked("openai", {"kind": "rate_limited", "wait_s": 2.5, "hints": [hint]})

    assert isinstance(failure, Failure)
    assert (failure.outcome, failure.retry_after_s) == (Outcome.RATE_LIMITED, wait_s)


@pytest.mark.parametrize(
    ("provider", "wait_s"), [("openai", 2.5), ("openrouter", pytest.approx(2.5, abs=0.5))]
)
def test_wait_is_read_from_reset_headers(provider: str, wait_s: float) -> None:
    _plan, failure = asked(provider, {"kind": "rate_limited", "wait_s": 2.5, "hints": ["resets"]})

    assert isinstance(failure, Failure)
    assert failure.retry_after_s == wait_s


@pytest.mark.skipif("gemini" not in BUILT, reason="the protocol is not built")
def test_wait_is_read_from_retry_info() -> None:
    _plan, failure = asked("gemini", {"kind": "rate_limited", "wait_s": 2.5})

    assert isinstance(failure, Failure)
    assert (failure.outcome, failure.retry_after_s) == (Outcome.RATE_LIMITED, 2.5)


@pytest.mark.parametrize("provider", ["openai", "openrouter", "mistral", "groq"])
def test_strict_limit_says_the_wait_after_which_a_call_fits(provider: str) -> None:
    now = [time.monotonic_ns()]
    pools = [{"keys": [f"sim-{provider}-1"], "limits": [{"what": "requests", "amount": 2, "per_s": 60}]}]
    scenario = scenario_of({"defaults": QUICK, "providers": {provider: {"pools": pools}}})
    engine = Engine(scenario, journal=Journal(None), clock_ns=lambda: now[0])
    target, request = ask_for(provider)
    outcomes = [sent(engine, request).record.outcome for _ in range(2)]
    refused = sent(engine, request)
    failure = protocol_for(target.protocol).parse(target, refused.status, refused.headers, refused.body)

    assert outcomes == [Outcome.ANSWERED, Outcome.ANSWERED]
    assert isinstance(failure, Failure)
    assert failure.retry_after_s == pytest.approx(60, abs=1)
    now[0] += 59_999_999_999
    assert sent(engine, request).record.outcome is Outcome.RATE_LIMITED
    now[0] += 1
    assert sent(engine, request).record.outcome is Outcome.ANSWERED


@pytest.mark.parametrize("provider", BUILT)
def test_wrong_key_is_refused_in_the_providers_own_way(provider: str) -> None:
    target, request = ask_for(provider)
    headers = {
        name: value.replace(f"sim-{provider}-1", "sim-wrong") for name, value in request.headers.items()
    }
    plan = sent(make_engine(provider), HttpRequest("POST", request.url, headers, request.body))
    failure = protocol_for(target.protocol).parse(target, plan.status, {}, plan.body)

    assert (plan.status, failure.outcome) == (
        400 if provider in ("gemini", "xai") else 401,
        Outcome.KEY_INVALID,
    )


def test_field_that_the_model_refuses_is_named() -> None:
    _plan, failure = asked("openai", {"kind": "refused_field", "field": "reasoning_effort"})

    assert isinstance(failure, Failure)
    assert (failure.outcome, failure.refused_field) == (Outcome.BAD_REQUEST, "reasoning_effort")


def test_cap_of_the_request_cuts_the_answer_off() -> None:
    engine = make_engine("openai")
    _target, request = ask_for("openai", max_output_tokens=20)
    plan = sent(engine, request)

    assert (plan.record.outcome, plan.record.output_tokens) == (Outcome.TRUNCATED, 20)


def test_cost_is_that_of_the_scenarios_price() -> None:
    prices = {"*": {"input_usd_per_mtok": 1000, "output_usd_per_mtok": 2000}}
    engine = make_engine("openrouter", providers={"openrouter": {"models": [], "prices": prices}})
    target, request = ask_for("openrouter")
    plan = sent(engine, request)
    reply = protocol_for(target.protocol).parse(target, plan.status, plan.headers, plan.body)

    assert isinstance(reply, Reply)
    assert plan.record.cost_usd == 0.107 == float(reply.cost_usd or 0)  # 7 tokens in, 50 out


@pytest.mark.parametrize(
    ("provider", "told"),
    [
        ("openai", [("requests", 50, 60, 49), ("tokens", 9000, 60, 8943)]),
        ("anthropic", [("requests", 50, 60, 49), ("tokens", 9000, 60, 8943)]),
        ("mistral", [("requests", 50, 60, 49), ("tokens", 9000, 60, 8943)]),
        ("groq", [("requests", 700, 86_400, 699), ("tokens", 9000, 60, 8943)]),
        ("gemini", []),
    ],
)
def test_limits_told_in_headers_are_those_of_the_pool(provider: str, told: list[tuple[Any, ...]]) -> None:
    limits = [
        {"what": "requests", "amount": 50},
        {"what": "requests", "amount": 5, "per_s": 1},
        {"what": "requests", "amount": 700, "per_s": 86_400},
        {"what": "tokens", "amount": 9000},
    ]
    engine = make_engine(provider, providers={provider: {"limits": limits}})
    target, request = ask_for(provider)
    plan = sent(engine, request)

    learned = learned_limits({name.lower(): value for name, value in plan.headers.items()}, target.quirks)
    assert sorted((one.what, one.amount, one.per_s, one.remaining) for one in learned) == told
