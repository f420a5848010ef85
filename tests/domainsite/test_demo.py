"""`manage.py demo` with real workers against a provider on a socket: its last line, its exit codes, its table."""

import io
import signal
import subprocess
import sys
from pathlib import Path

import pytest
from django.conf import settings
from rich.console import Console

from domainsite.demo_output import answers_table, summary_line
from processing.models import Question
from processing.selectors.runs import coverage_for
from tests.factories import make_attempt, make_domain, make_model, make_prompt_version, make_run
from tests.processes import bare_environment, descendants, is_alive, wait_until
from tests.stub_provider import Answer, Call, stub_provider


def demo_start(state_dir: Path, url: str) -> subprocess.Popen[str]:
    environment = bare_environment(
        state_dir,
        LOG_LEVEL="WARNING",
        QUEUE_CONCURRENCY="1",
        RETRY_LIMIT="1",
        OPENAI_COMPATIBLE_BASE_URL=f"{url}/v1",
        OPENAI_COMPATIBLE_MODEL="stub-1",
        OPENAI_COMPATIBLE_MAX_IN_FLIGHT="8",
    )
    return subprocess.Popen(
        [sys.executable, "manage.py", "demo"],
        cwd=settings.BASE_DIR,
        env=environment,
        stdout=subprocess.PIPE,
        stderr=subprocess.PIPE,
        text=True,
    )


def test_demo_with_every_question_answered_exits_0(tmp_path: Path) -> None:
    with stub_provider() as stub:
        process = demo_start(tmp_path, stub.url)
        output, errors = process.communicate(timeout=120)

    assert (process.returncode, errors.count("Traceback")) == (0, 0), errors
    assert output.splitlines()[-1].startswith("demo: 20 of 20 questions answered by 1 models in ")
    assert output.count("An answer.") == 20
    assert len(stub.calls) == 20


def test_demo_with_a_question_unanswered_does_not_exit_0(tmp_path: Path) -> None:
    def script(call: Call, number: int) -> Answer:
        return Answer(text="") if "nasa.gov" in call.prompt else Answer()

    with stub_provider(script) as stub:
        process = demo_start(tmp_path, stub.url)
        output, errors = process.communicate(timeout=120)

    assert process.returncode == 1
    assert output.splitlines()[-1].startswith("demo: 18 of 20 questions answered by 1 models in ")
    assert output.count("(failed: empty)") == 2
    assert "not every question was answered" in errors


def test_demo_that_is_interrupted_leaves_nothing_behind(tmp_path: Path) -> None:
    def slow(call: Call, number: int) -> Answer:
        return Answer(delay_s=8)

    with stub_provider(slow) as stub:
        process = demo_start(tmp_path, stub.url)
        wait_until(lambda: stub.calls, timeout_s=60, what="the first call")
        everyone = descendants(process.pid)
        assert len(everyone) >= 4  # server, worker, system worker, scheduler
        process.send_signal(signal.SIGINT)
        process.communicate(timeout=60)

    assert process.returncode == 130
    assert [pid for pid in everyone if is_alive(pid)] == []


def test_demo_never_empties_a_database_that_is_not_its_own(tmp_path: Path) -> None:
    (tmp_path / "db.sqlite3").write_text("precious")

    process = demo_start(tmp_path, "http://127.0.0.1:9")
    _output, errors = process.communicate(timeout=60)

    assert process.returncode == 1
    assert "run `make demo`" in errors
    assert (tmp_path / "db.sqlite3").read_text() == "precious"


@pytest.mark.django_db
@pytest.mark.parametrize("width", [80, 140])
def test_table_shows_answers_and_what_is_missing(width: int) -> None:
    version, model = make_prompt_version(), make_model()
    run = make_run(
        domains=(make_domain("nike.com"), make_domain("lego.com")), versions=(version,), models=(model,)
    )
    first, second = Question.objects.order_by("domain__name")
    attempt = make_attempt(question=first, text="[bold]Bricks.[/bold]", output_tokens=7, latency_ms=1250)
    Question.objects.filter(pk=first.pk).update(status="answered", answer=attempt)
    Question.objects.filter(pk=second.pk).update(status="failed", reason="timeout")
    console = Console(file=io.StringIO(), width=width)

    console.print(answers_table(run, width=width))

    shown = console.file.getvalue()  # type: ignore[attr-defined]
    assert all(text in shown for text in ("lego.com", "nike.com", "[bold]", "7", "1.2", "(failed:"))
    assert (
        summary_line(run, coverage_for(run), took_s=44.4)
        == "demo: 1 of 2 questions answered by 1 models in 44 s"
    )
