"""The drain in this process against a provider on a real socket, with the real database and Redis."""

import asyncio
import uuid

import pytest

from processing.drain import DrainLoop, DrainPlan
from processing.models import Attempt, Drain, Question, Run, RunUsage
from providers.models import ApiKey, LanguageModel, Provider, UsageBucket
from providers.rules.secret import Secret
from providers.services import key_create
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


def make_lane(stub: StubProvider, **values: object) -> LanguageModel:
    provider = make_provider(base_url=stub.url)
    make_key(provider=provider)
    return make_model(provider=provider, **values)


def make_run_of(model: LanguageModel, *, n_domains: int = 3) -> Run:
    domains = tuple(make_domain() for _ in range(n_domains))
    return make_run(domains=domains, versions=(make_prompt_version(),), models=(model,))


def drain(*, careful: bool = False) -> str:
    loop = DrainLoop(DrainPlan(id=uuid.uuid4(), queue="default", is_careful=careful))
    return asyncio.run(asyncio.wait_for(loop.run(), 60))


def test_drain_answers_every_question_and_closes_the_run() -> None:
    with stub_provider() as stub:
        run = make_run_of(make_lane(stub), n_domains=20)

        end = drain()

    run.refresh_from_db()
    assert end == Drain.End.DONE
    assert (run.n_answered, run.n_failed, run.finished_at is not None) == (20, 0, True)
    assert len(stub.calls) == Attempt.objects.filter(outcome="answered", text="An answer.").count() == 20
    assert Question.objects.filter(status="answered", answer__isnull=False, drain=None).count() == 20
    assert list(RunUsage.objects.values_list("n_calls", "input_tokens", "output_tokens")) == [(20, 240, 100)]
    assert sum(UsageBucket.objects.values_list("n_calls", flat=True)) == 20


def test_domain_is_free_and_due_in_a_week_after_its_run() -> None:
    with stub_provider() as stub:
        run = make_run_of(make_lane(stub), n_domains=1)
        drain()

    domain = run.questions.get().domain
    assert domain.open_run_id is None
    assert (domain.n_cells, domain.n_answered_cells, domain.selection_run_id) == (1, 1, run.pk)
    assert domain.due_at is not None
    assert domain.last_answered_at is not None
    assert 6.9 < (domain.due_at - domain.last_answered_at).total_seconds() / 86_400 < 7.1


@pytest.mark.parametrize("text", ["", "  \n ", None])
def test_empty_text_is_never_an_answer(text: str | None) -> None:
    with stub_provider(lambda call, number: Answer(text=text)) as stub:
        run = make_run_of(make_lane(stub), n_domains=1)
        drain()

    run.refresh_from_db()
    assert (run.n_answered, run.n_failed) == (0, 1)
    assert list(Attempt.objects.values_list("outcome", "text")) == [("empty", None), ("empty", None)]
    assert run.questions.get().reason == "empty"


def test_overload_is_tried_again_and_then_answered() -> None:
    def script(call: Call, number: int) -> Answer:
        return Answer(status=503, body={"error": {"message": "overloaded"}}) if number == 1 else Answer()

    with stub_provider(script) as stub:
        run = make_run_of(make_lane(stub), n_domains=1)
        drain()

    run.refresh_from_db()
    assert run.n_answered == 1
    assert list(Attempt.objects.order_by("id").values_list("outcome", flat=True)) == [
        "overloaded",
        "answered",
    ]


def test_overload_that_stays_fails_after_three_tries() -> None:
    with stub_provider(lambda call, number: Answer(status=500, body="broken")) as stub:
        run = make_run_of(make_lane(stub), n_domains=1)
        drain()

    run.refresh_from_db()
    assert (run.n_failed, len(stub.calls)) == (1, 3)


def test_truncated_answer_is_asked_once_more_with_a_larger_cap_and_then_kept() -> None:
    with stub_provider(lambda call, number: Answer(text="Half an", finish_reason="length")) as stub:
        run = make_run_of(make_lane(stub), n_domains=1)
        drain()

    run.refresh_from_db()
    assert (run.n_answered, run.questions.get().reason) == (1, "truncated")
    assert [call.body["max_tokens"] for call in stub.calls] == [2000, 8000]


def test_refused_key_leaves_service_and_the_other_key_answers() -> None:
    def script(call: Call, number: int) -> Answer:
        if call.key != "good":
            return Answer(
                status=401, body={"error": {"code": "invalid_api_key", "message": "Incorrect API key"}}
            )
        return Answer()

    with stub_provider(script) as stub:
        provider = make_provider(base_url=stub.url)
        bad, good = (make_staff_key(provider, secret) for secret in ("bad", "good"))
        run = make_run_of(make_model(provider=provider), n_domains=6)
        drain()

    run.refresh_from_db()
    bad.refresh_from_db()
    n_events = bad.events.filter(to_state=ApiKey.State.INVALID).count()
    assert (run.n_answered, bad.state, n_events) == (6, ApiKey.State.INVALID, 1)
    assert good.state == ApiKey.State.ACTIVE


def make_staff_key(provider: Provider, secret: str) -> ApiKey:
    return key_create(provider=provider, secret=Secret(secret), label=secret, pool=None, actor="tests")


def test_rate_limited_question_waits_as_told_and_uses_no_try() -> None:
    def script(call: Call, number: int) -> Answer:
        limited = {"error": {"code": "rate_limit_exceeded", "message": "slow down"}}
        return (
            Answer(status=429, body=limited, headers={"retry-after-ms": "700"}) if number <= 4 else Answer()
        )

    with stub_provider(script) as stub:
        run = make_run_of(make_lane(stub), n_domains=1)
        drain()

    run.refresh_from_db()
    gaps_s = [b.at - a.at for a, b in zip(stub.calls, stub.calls[1:], strict=False)]
    assert (run.n_answered, run.questions.get().n_tries) == (1, 1)
    assert min(gaps_s) >= 0.65


def test_limit_of_calls_at_once_is_kept() -> None:
    with stub_provider(lambda call, number: Answer(delay_s=0.3)) as stub:
        model = make_lane(stub)
        make_limit(pool=model.provider.pools.get(), what="in_flight", amount=2, per_s=0)
        make_run_of(model, n_domains=6)
        drain()

    starts = sorted(call.at for call in stub.calls)
    assert len(starts) == 6
    assert all(later - earlier > 0.25 for earlier, later in zip(starts, starts[2:], strict=False))


def test_question_that_cost_two_workers_is_left_to_a_careful_drain() -> None:
    with stub_provider() as stub:
        run = make_run_of(make_lane(stub), n_domains=2)
        Question.objects.filter(pk=run.questions.earliest("pk").pk).update(n_losses=2)

        drain()
        n_after_normal = len(stub.calls)
        drain(careful=True)

    assert (n_after_normal, len(stub.calls)) == (1, 2)


def test_second_drain_for_little_work_ends_at_once() -> None:
    with stub_provider() as stub:
        make_run_of(make_lane(stub), n_domains=3)
        Drain.objects.create(queue="default", host="elsewhere", pid=1)

        end = drain()

    assert (end, stub.calls) == (Drain.End.SURPLUS, [])
