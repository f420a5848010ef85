"""What a drain spends on keys, pools and providers that do not work, and how they come back."""

import asyncio
import uuid
from collections import Counter
from datetime import timedelta

import pytest
from django.conf import settings
from django.db.models.functions import Now
from django.utils import timezone
from redis import Redis

from processing.drain import DrainLoop, DrainPlan
from processing.models import Attempt, Drain, Run
from providers.models import ApiKey, KeyModelPause, LanguageModel, LimitPool, Provider, UsageBucket
from providers.rules.secret import Secret
from providers.services import key_create, keys_recover
from tests.factories import (
    make_domain,
    make_key,
    make_limit,
    make_model,
    make_pool,
    make_prompt_version,
    make_provider,
    make_run,
)
from tests.stub_provider import Answer, Call, StubProvider, stub_provider

pytestmark = pytest.mark.django_db(transaction=True)

BARE_403 = Answer(status=403, body={"error": {"message": "Forbidden"}})
NO_CREDIT = Answer(
    status=429, body={"error": {"code": "insufficient_quota", "message": "You have no credit"}}
)
OVERLOADED = Answer(status=503, body={"error": {"message": "overloaded"}})
AT_ONCE = 4


def make_run_of(*models: LanguageModel, n_domains: int) -> Run:
    domains = tuple(make_domain() for _ in range(n_domains))
    return make_run(domains=domains, versions=(make_prompt_version(),), models=models)


def two_keys(stub: StubProvider, *, apart: bool = True) -> tuple[LanguageModel, ApiKey, ApiKey]:
    """A model with a key `bad` and a key `good`, each in an account of its own, with four calls at once in each."""
    provider = make_provider(base_url=stub.url)
    pools = [make_pool(provider=provider), make_pool(provider=provider, name="second")]
    bad, good = (
        make_staff_key(provider, name, pool) for name, pool in zip(("bad", "good"), pools, strict=True)
    )
    for pool in pools:
        make_limit(pool=pool, what="in_flight", amount=AT_ONCE, per_s=0)
    return make_model(provider=provider), bad, good


def make_staff_key(provider: Provider, secret: str, pool: LimitPool) -> ApiKey:
    return key_create(provider=provider, secret=Secret(secret), label=secret, pool=pool, actor="tests")


def drain(*, until_s: float | None = None) -> str:
    async def run() -> str:
        loop = DrainLoop(DrainPlan(id=uuid.uuid4(), queue="default", grace_s=1.0))
        if until_s is not None:
            asyncio.get_running_loop().call_later(until_s, loop.stop, Drain.End.STOPPED)
        return await asyncio.wait_for(loop.run(), 60)

    return asyncio.run(run())


def n_calls(stub: StubProvider) -> Counter[str]:
    return Counter(call.key for call in stub.calls)


@pytest.mark.parametrize("refusal", [BARE_403, NO_CREDIT], ids=["403", "no credit"])
def test_refused_key_beside_a_good_one_costs_the_calls_in_flight_at_most(refusal: Answer) -> None:
    def script(call: Call, number: int) -> Answer:
        return refusal if call.key == "bad" else Answer(delay_s=0.05)

    with stub_provider(script) as stub:
        model, _bad, _good = two_keys(stub)
        run = make_run_of(model, n_domains=40)
        drain()

    run.refresh_from_db()
    assert (run.n_answered, run.n_failed) == (40, 0)
    assert 1 <= n_calls(stub)["bad"] <= AT_ONCE


def test_bare_403_pauses_the_pair_and_one_probe_brings_it_back() -> None:
    is_well: list[bool] = []

    def script(call: Call, number: int) -> Answer:
        return BARE_403 if call.key == "bad" and not is_well else Answer()

    with stub_provider(script) as stub:
        model, bad, _good = two_keys(stub)
        make_run_of(model, n_domains=12)
        drain()
        paused = list(KeyModelPause.objects.values_list("key", "model", "n_refusals"))
        KeyModelPause.objects.update(until=Now() - timedelta(seconds=1))
        stub.calls.clear()
        make_run_of(model, n_domains=12)
        drain()
        n_probes = n_calls(stub)["bad"]
        is_well.append(True)
        gates_open()
        KeyModelPause.objects.update(until=Now() - timedelta(seconds=1))
        run = make_run_of(model, n_domains=12)
        drain()

    run.refresh_from_db()
    bad.refresh_from_db()
    assert paused == [(bad.pk, model.pk, 1)]
    assert n_probes == 1
    assert (run.n_answered, bad.state, KeyModelPause.objects.count()) == (12, "active", 0)


def test_key_without_credit_is_probed_by_one_question_and_comes_back() -> None:
    is_well: list[bool] = []

    def script(call: Call, number: int) -> Answer:
        return NO_CREDIT if call.key == "bad" and not is_well else Answer(delay_s=0.05)

    with stub_provider(script) as stub:
        model, bad, _good = two_keys(stub)
        make_run_of(model, n_domains=20)
        drain()
        rest_is_over(bad)
        stub.calls.clear()
        make_run_of(model, n_domains=20)
        drain()
        n_probes = n_calls(stub)["bad"]
        bad.refresh_from_db()
        rested_again = bad.state_until
        is_well.append(True)
        rest_is_over(bad)
        run = make_run_of(model, n_domains=20)
        drain()

    run.refresh_from_db()
    bad.refresh_from_db()
    assert n_probes == 1
    assert rested_again
    assert rested_again > timezone.now() + timedelta(minutes=14)
    assert (run.n_answered, bad.state, bad.pool.resting_until) == (20, "active", None)
    assert bad.events.filter(to_state="active", actor="drain").count() == 1


def gates_open() -> None:
    """Do what ten seconds do: forget the probe that has ended."""
    with Redis.from_url(settings.REDIS_URL) as client:
        for name in client.scan_iter("*limit:gate:*"):
            client.delete(name)


def rest_is_over(key: ApiKey) -> None:
    gates_open()
    over = Now() - timedelta(seconds=1)
    ApiKey.objects.filter(pk=key.pk, state="exhausted").update(state_until=over)
    LimitPool.objects.filter(pk=key.pool_id, resting_until__isnull=False).update(resting_until=over)
    keys_recover()


def test_all_keys_without_credit_end_the_drain_and_burn_no_tries() -> None:
    with stub_provider(lambda call, number: NO_CREDIT) as stub:
        provider = make_provider(base_url=stub.url)
        key = make_staff_key(provider, "bad", make_pool(provider=provider))
        make_limit(pool=key.pool, what="in_flight", amount=AT_ONCE, per_s=0)
        run = make_run_of(make_model(provider=provider), n_domains=20)
        end = drain()

    assert end == Drain.End.DONE
    assert 1 <= len(stub.calls) <= AT_ONCE
    assert set(run.questions.values_list("status", "n_tries")) == {("waiting", 0)}


@pytest.mark.parametrize("way", ["refused", "503", "silent"])
def test_dead_provider_costs_its_neighbour_nothing(way: str) -> None:
    def dead_script(call: Call, number: int) -> Answer:
        return OVERLOADED if way == "503" else Answer(delay_s=30)

    with stub_provider(dead_script) as dead, stub_provider() as live:
        url = "http://127.0.0.1:9" if way == "refused" else dead.url
        models = [make_lane(url), make_lane(live.url)]
        run = make_run_of(*models, n_domains=60)
        drain(until_s=4.0)

    answered = Counter(run.questions.filter(status="answered").values_list("model", flat=True))
    assert answered == {models[1].pk: 60}
    assert len(live.calls) == 60
    n_dead = Attempt.objects.filter(question__model=models[0]).exclude(outcome="lost").count()
    assert n_dead <= 62  # each question once, before the first failure was known, and a probe
    assert not run.questions.filter(model=models[0], status="failed").exists()


def make_lane(url: str) -> LanguageModel:
    provider = make_provider(base_url=url)
    make_key(provider=provider)
    return make_model(provider=provider)


def test_open_circuit_burns_no_tries_and_closes_by_a_probe() -> None:
    with stub_provider(lambda call, number: OVERLOADED if number <= 9 else Answer()) as stub:
        run = make_run_of(make_lane(stub.url), n_domains=30)
        drain()

    run.refresh_from_db()
    assert (run.n_answered, run.n_failed) == (30, 0)
    assert Attempt.objects.filter(outcome="overloaded").count() == 9


def test_question_above_a_whole_limit_has_failed_as_too_long_without_a_call() -> None:
    with stub_provider() as stub:
        model = make_lane(stub.url)
        make_limit(pool=model.provider.pools.get(), what="tokens", amount=500)
        run = make_run_of(model, n_domains=3)
        drain()

    run.refresh_from_db()
    assert (run.n_failed, stub.calls) == (3, [])
    assert set(run.questions.values_list("reason", "n_calls")) == {("too_long", 0)}
    assert run.usage.get().n_calls == 0


def test_tokens_that_were_not_used_are_used_by_others() -> None:
    """Each call is thought to use 2,000 and more, and uses 17: after a few the limit no longer holds anyone up."""
    with stub_provider() as stub:
        model = make_lane(stub.url)
        make_limit(pool=model.provider.pools.get(), what="tokens", amount=9_000)
        run = make_run_of(model, n_domains=100)
        drain()

    run.refresh_from_db()
    assert run.n_answered == 100
    assert max(call.at for call in stub.calls) - min(call.at for call in stub.calls) < 30


def test_limit_of_a_day_holds_over_drains_and_an_emptied_redis() -> None:
    with stub_provider() as stub:
        model = make_lane(stub.url)
        make_limit(pool=model.provider.pools.get(), amount=7, per_s=86_400)
        make_run_of(model, n_domains=20)
        drain(until_s=3)
        UsageBucket.objects.update(bucket_at=Now() - timedelta(minutes=10))
        with Redis.from_url(settings.REDIS_URL) as client:
            client.flushdb()
        drain(until_s=3)

    assert len(stub.calls) == 7
