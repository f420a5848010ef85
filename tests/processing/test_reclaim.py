"""What dead drains held comes back: as lost attempts, alone after two losses, and not for ever."""

import threading
import uuid
from datetime import timedelta

import pytest
from django.db.models.functions import Now

from processing.claims import questions_claim
from processing.models import Attempt, Drain, Leader, Run
from processing.scheduler import Scheduler
from processing.services.reclaim import dead_drains_reclaim, runs_unbind
from processing.services.recording import Result, results_record
from providers.protocols.base import Outcome, Reply
from tests.factories import make_domain, make_key, make_model, make_prompt_version, make_run

pytestmark = pytest.mark.django_db


def make_claimed(*, silent_s: float = 60, n_losses: int = 0) -> tuple[Drain, Run]:
    """Make a drain without a beat for a while that holds the one question of a run."""
    key = make_key()
    model = make_model(provider=key.provider)
    run = make_run(domains=(make_domain(),), versions=(make_prompt_version(),), models=(model,))
    run.questions.update(n_losses=n_losses)
    drain = Drain.objects.create(queue="default", host="gone", pid=1)
    assert len(questions_claim(drain.pk, model_id=model.pk, n=5, careful=n_losses >= 2)) == 1
    Drain.objects.filter(pk=drain.pk).update(beat_at=Now() - timedelta(seconds=silent_s))
    return drain, run


def test_question_of_a_dead_drain_waits_again_with_a_lost_attempt() -> None:
    drain, run = make_claimed()

    assert dead_drains_reclaim() == 1

    question = run.questions.get()
    assert (question.status, question.drain, question.n_losses) == ("waiting", None, 1)
    assert list(Attempt.objects.values_list("outcome", "drain")) == [("lost", drain.pk)]
    assert Drain.objects.get().end == Drain.End.DEAD


def test_drain_that_beats_keeps_its_questions() -> None:
    _, run = make_claimed(silent_s=10)

    assert dead_drains_reclaim() == 0
    assert run.questions.get().status == "in_flight"


def test_fifth_loss_fails_a_question_as_poison_and_closes_its_run() -> None:
    _, run = make_claimed(n_losses=4)

    dead_drains_reclaim()

    run.refresh_from_db()
    assert (run.questions.get().reason, run.n_failed) == ("poison", 1)
    assert run.finished_at is not None


def test_late_answer_of_a_dead_drain_is_booked_and_changes_nothing() -> None:
    key = make_key()
    model = make_model(provider=key.provider)
    run = make_run(domains=(make_domain(),), versions=(make_prompt_version(),), models=(model,))
    drain = Drain.objects.create(queue="default", host="gone", pid=1)
    (claim,) = questions_claim(drain.pk, model_id=model.pk, n=1)
    Drain.objects.update(beat_at=Now() - timedelta(seconds=60))
    dead_drains_reclaim()

    reply = Reply(Outcome.ANSWERED, text="Too late.", input_tokens=7, output_tokens=3)
    results_record(drain.pk, [Result(claim, key.provider_id, key.pk, "", reply, latency_ms=9)])

    attempt, usage = Attempt.objects.get(), run.usage.get()
    assert (attempt.outcome, attempt.text, attempt.is_late) == ("answered", "Too late.", True)
    assert (usage.n_calls, usage.n_lost, usage.input_tokens) == (1, 0, 7)
    assert run.questions.get().status == "waiting"


def test_batch_written_twice_counts_once() -> None:
    key = make_key()
    model = make_model(provider=key.provider)
    run = make_run(domains=(make_domain(),), versions=(make_prompt_version(),), models=(model,))
    drain = uuid.uuid4()
    (claim,) = questions_claim(drain, model_id=model.pk, n=1)
    batch = [Result(claim, key.provider_id, key.pk, "", Reply(Outcome.ANSWERED, text="Yes."), latency_ms=9)]

    counts = [results_record(drain, batch).n_attempts for _ in range(2)]

    assert counts == [1, 0]
    assert (run.usage.get().n_calls, run.questions.get().status) == (1, "answered")


def test_run_bound_to_a_drain_that_is_gone_goes_to_all() -> None:
    bound = make_run(drain_only=uuid.uuid4())
    alive = Drain.objects.create(host="here", pid=1)
    kept = make_run(drain_only=alive.pk)
    Run.objects.update(created_at=Now() - timedelta(seconds=61))

    assert runs_unbind() == 1
    assert list(Run.objects.filter(drain_only=None)) == [bound]
    assert Run.objects.get(pk=kept.pk).drain_only == alive.pk


def test_two_schedulers_never_act_at_once() -> None:
    first, second = (Scheduler(threading.Event()) for _ in range(2))

    first.round_safely()
    second.round_safely()

    assert Leader.objects.get().holder == first._holder
