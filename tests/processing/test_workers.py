"""Real `rqworker` and `scheduler` processes, killed in mid-run: the run ends complete and nothing is answered twice."""

import os
import signal
import subprocess
import sys
import time
from collections import Counter
from collections.abc import Callable, Iterator
from pathlib import Path

import pytest
from redis import Redis

from processing.models import Attempt, Drain, Question, Run
from processing.services.planning import pending_domains
from processing.services.runs import run_cancel, run_pause, run_resume
from tests.factories import make_domain, make_key, make_model, make_prompt_version, make_provider, make_run
from tests.processes import descendants, is_alive, wait_until
from tests.stub_provider import Answer, StubProvider, stub_provider

pytestmark = pytest.mark.django_db(transaction=True)

MANAGE = Path(__file__).parents[2] / "manage.py"
Start = Callable[..., subprocess.Popen[bytes]]


@pytest.fixture
def start(process_env: dict[str, str], tmp_path: Path) -> Iterator[Start]:
    """Start `manage.py …` processes, each in a session of its own; all are gone at the end."""
    started: list[subprocess.Popen[bytes]] = []

    def run(*arguments: str) -> subprocess.Popen[bytes]:
        with (tmp_path / f"{len(started)}-{arguments[0]}.log").open("wb") as log:
            process = subprocess.Popen(
                [sys.executable, str(MANAGE), *arguments],
                env=process_env | {"LOG_LEVEL": "INFO"}, stdout=log, stderr=log, start_new_session=True,
            )  # fmt: skip
        started.append(process)
        return process

    yield run
    for process in started:
        for pid in {process.pid, *descendants(process.pid)}:
            if is_alive(pid):
                os.kill(pid, signal.SIGKILL)
        process.wait()


@pytest.fixture
def stub() -> Iterator[StubProvider]:
    """A provider that takes 0.4 s for each answer."""
    with stub_provider(lambda call, number: Answer(delay_s=0.4)) as provider:
        yield provider


def make_slow_run(stub: StubProvider, *, n_domains: int, at_once: int = 4) -> Run:
    """A run that takes 0.1 s a question."""
    provider = make_provider(base_url=stub.url)
    key = make_key(provider=provider)
    key.pool.limits.create(what="in_flight", amount=at_once, per_s=0)
    domains = tuple(make_domain() for _ in range(n_domains))
    return make_run(
        domains=domains, versions=(make_prompt_version(),), models=(make_model(provider=provider),)
    )


def n_answered(run: Run) -> int:
    return run.questions.filter(status="answered").count()


def is_finished(run: Run) -> bool:
    return Run.objects.filter(pk=run.pk, finished_at__isnull=False).exists()


def assert_complete_and_once(run: Run, stub: StubProvider) -> None:
    """Every question has one answer, every call that arrived has one row or was lost, nobody owns anything."""
    run.refresh_from_db()
    answers = Counter(Attempt.objects.filter(outcome="answered").values_list("question_id", flat=True))
    assert (run.n_answered, run.n_questions) == (run.questions.count(), run.questions.count())
    assert set(answers.values()) == {1}
    assert not Question.objects.filter(drain__isnull=False).exists()
    n_lost = Attempt.objects.filter(outcome="lost").count()
    assert len(answers) <= len(stub.calls) <= len(answers) + n_lost


def test_two_workers_and_a_scheduler_finish_a_run(start: Start, stub: StubProvider) -> None:
    run = make_slow_run(stub, n_domains=20)

    processes = [start("rqworker", "high", "default", "low"), start("rqworker", "high", "default", "low")]
    processes.append(start("scheduler"))
    wait_until(lambda: is_finished(run), timeout_s=60, what="the end of the run")

    assert_complete_and_once(run, stub)
    assert len(stub.calls) == 20
    for process in processes:
        process.send_signal(signal.SIGTERM)
    assert [process.wait(timeout=30) for process in processes] == [0, 0, 0]


def test_process_command_watches_a_run_to_its_end(start: Start, stub: StubProvider) -> None:
    make_key(provider=(model := make_model(provider=make_provider(base_url=stub.url))).provider)
    make_prompt_version()
    domains = [make_domain() for _ in range(4)]
    start("scheduler")
    start("rqworker", "high", "default", "low")

    command = start("process", "--models", f"{model.provider.name}:{model.name}")

    assert command.wait(timeout=60) == 0
    assert Run.objects.get().n_answered == len(domains)


def test_cancelled_run_makes_no_new_call_after_two_seconds(start: Start, stub: StubProvider) -> None:
    run = make_slow_run(stub, n_domains=300)
    start("scheduler")
    start("rqworker", "high", "default", "low")
    wait_until(lambda: n_answered(run) >= 5, timeout_s=60, what="the first answers")

    run_cancel(run, actor="tests")
    cancelled_at = time.time()
    wait_until(lambda: is_finished(run), timeout_s=30, what="the end of the run")
    time.sleep(3)

    run.refresh_from_db()
    assert max(call.at for call in stub.calls) < cancelled_at + 2
    assert run.n_answered == len(stub.calls)
    assert run.n_answered + run.n_cancelled == 300
    assert pending_domains().count() == 300


def test_paused_run_goes_on_when_it_is_resumed(start: Start, stub: StubProvider) -> None:
    run = make_slow_run(stub, n_domains=40)
    start("scheduler")
    start("rqworker", "high", "default", "low")
    wait_until(lambda: n_answered(run) >= 5, timeout_s=60, what="the first answers")

    run_pause(run, actor="tests")
    time.sleep(2.5)
    n_paused = len(stub.calls)
    time.sleep(1.5)
    n_later = len(stub.calls)
    run_resume(run, actor="tests")
    wait_until(lambda: is_finished(run), timeout_s=60, what="the end of the run")

    assert n_later == n_paused < 40
    assert_complete_and_once(run, stub)


def test_urgent_run_overtakes_a_bulk_run_within_two_seconds(start: Start, stub: StubProvider) -> None:
    bulk = make_slow_run(stub, n_domains=300)
    start("scheduler")
    start("rqworker", "high", "default", "low")
    wait_until(lambda: n_answered(bulk) >= 5, timeout_s=60, what="the first answers")

    version = make_prompt_version(text="Urgent: {domain}")
    asked_at = time.time()
    make_run(
        domains=(make_domain(),), versions=(version,), models=tuple(bulk.language_models.all()), priority=9
    )
    wait_until(lambda: any("Urgent" in call.prompt for call in stub.calls), what="the urgent call")

    urgent = next(call for call in stub.calls if "Urgent" in call.prompt)
    assert urgent.at - asked_at < 2


def test_killed_worker_loses_nothing(start: Start, stub: StubProvider) -> None:
    run = make_slow_run(stub, n_domains=60)
    start("scheduler")
    worker = start("rqworker", "high", "default", "low")
    wait_until(lambda: n_answered(run) >= 5, timeout_s=60, what="the first answers")

    for pid in {worker.pid, *descendants(worker.pid)}:
        os.kill(pid, signal.SIGKILL)
    start("rqworker", "high", "default", "low")
    wait_until(lambda: is_finished(run), timeout_s=90, what="the end of the run")

    assert_complete_and_once(run, stub)
    assert Drain.objects.filter(end=Drain.End.DEAD).count() == 1
    assert 1 <= Attempt.objects.filter(outcome="lost").count() <= 4


def test_work_horse_whose_worker_was_killed_stops_by_itself(start: Start, stub: StubProvider) -> None:
    run = make_slow_run(stub, n_domains=200)
    start("scheduler")
    worker = start("rqworker", "high", "default", "low")
    wait_until(lambda: n_answered(run) >= 5, timeout_s=60, what="the first answers")
    (horse,) = descendants(worker.pid)

    os.kill(worker.pid, signal.SIGKILL)
    wait_until(lambda: not is_alive(horse), timeout_s=30, what="the orphan's end")

    drain = Drain.objects.get()
    assert drain.end == Drain.End.ORPHANED
    assert not Question.objects.filter(drain=drain.pk).exists()


def test_emptied_redis_delays_a_run_but_loses_nothing(
    start: Start, stub: StubProvider, redis_url: str
) -> None:
    run = make_slow_run(stub, n_domains=40)
    start("scheduler")
    start("rqworker", "high", "default", "low")
    wait_until(lambda: n_answered(run) >= 5, timeout_s=60, what="the first answers")

    with Redis.from_url(redis_url) as client:
        client.flushdb()
    wait_until(lambda: is_finished(run), timeout_s=60, what="the end of the run")

    assert_complete_and_once(run, stub)


def test_sigterm_stores_what_came_back_and_releases_the_rest(start: Start, stub: StubProvider) -> None:
    run = make_slow_run(stub, n_domains=200)
    start("scheduler")
    worker = start("rqworker", "high", "default", "low")
    wait_until(lambda: n_answered(run) >= 5, timeout_s=60, what="the first answers")

    worker.send_signal(signal.SIGTERM)
    assert worker.wait(timeout=30) == 0

    assert Drain.objects.get().end == Drain.End.STOPPED
    assert not run.questions.filter(status="in_flight").exists()
    assert n_answered(run) == len(stub.calls) == Attempt.objects.count()
