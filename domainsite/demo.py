"""`make demo`: the main job once, on real domains, real workers and a real model, from nothing to a table.

The providers whose keys are in the environment are asked; without any, a local model is started and asked.
Every demo begins with an empty database in a state directory of its own. It goes through the same services,
workers and scheduler as everything else; only what is printed stands here.
"""

import fcntl
import os
import shutil
import time
from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from pathlib import Path

from django.conf import settings
from django.db import connections
from rich.console import Console

from domainsite.children import children_stop
from domainsite.demo_output import answers_table, summary_line
from domainsite.embedded import EmbeddedServer
from domainsite.local_model import MODEL_NAME, N_PARALLEL, free_port, is_installed, local_model_start
from domainsite.preparing import prepare
from domainsite.stack import worker_services
from domainsite.supervisor import Supervisor
from processing.models import Domain, Prompt, Run
from processing.progress import progress_shown
from processing.rules.import_rows import Format
from processing.selectors.runs import coverage_for
from processing.services.intake import domains_import, parse_import
from processing.services.runs import run_create
from providers.environment import provider_settings
from providers.models import LanguageModel

DOMAINS_FILE = Path(__file__).parent / "data" / "demo_domains.csv"
N_PROMPTS = 2
LOCAL_ANSWER_TOKENS = 120  # a small model on two cores writes about 50 tokens a second
STALLED_AFTER_S = 120
N_EARLY_ENDS = 3
STOP_GRACE_S = 15
QUICK_STOP = {
    "SHUTDOWN_GRACE_S": "3"
}  # of the workers: whoever stops a demo does not wait for its last answers


class DemoError(Exception):
    """The demo could not be done; the message says why."""


def demo_run(*, out: Console) -> bool:
    """Ask, show, and say whether every question was answered.

    Raises:
        DemoError: another demo is running, the database is not a demo's, no model can be asked, nothing moves.
    """
    state_dir = Path(settings.STATE_DIR)
    started_s = time.monotonic()
    with _alone(state_dir):
        _forget_last_demo(state_dir)
        with _model_environment(state_dir, out) as environment, _redis():
            prepare(verbosity=0)
            run = _run_make()
            connections.close_all()  # workers fork from here
            _ask(run, environment=environment, log_path=state_dir / "workers.log", out=out)
            coverage = coverage_for(run)
            out.print(answers_table(run, width=out.width))
            out.print(summary_line(run, coverage, took_s=time.monotonic() - started_s), highlight=False)
            return coverage.answered == coverage.questions


@contextmanager
def _alone(state_dir: Path) -> Iterator[None]:
    """Hold the state directory; one that no demo made is never touched, since a demo empties it."""
    marker, database = state_dir / "demo.lock", state_dir / "db.sqlite3"
    is_ours = settings.DATABASES["default"]["NAME"] == str(database) and settings.REDIS_IS_EMBEDDED
    if not is_ours or (database.exists() and not marker.exists()):
        raise DemoError(
            "It empties its database first, and the one configured here is not a demo's: run `make demo`."
        )
    with marker.open("w") as lock:
        try:
            fcntl.flock(lock, fcntl.LOCK_EX | fcntl.LOCK_NB)
        except BlockingIOError:
            raise DemoError(f"Another demo is running in {state_dir}.") from None
        yield


def _forget_last_demo(state_dir: Path) -> None:
    for path in state_dir.glob("db.sqlite3*"):
        path.unlink()
    shutil.rmtree(state_dir / "redis", ignore_errors=True)


@contextmanager
def _model_environment(state_dir: Path, out: Console) -> Iterator[Mapping[str, str]]:
    """Give the environment of the workers; without any key in it the local model runs meanwhile."""
    if any(given.keys or given.base_url for given in settings.PROVIDER_SETTINGS.values()):
        yield {**os.environ, **QUICK_STOP}
        return
    if not is_installed():
        raise DemoError("No provider's key is set and the local model is not installed: run `make demo`.")
    out.print(
        "No provider's key is set: starting a small local model (SmolLM2-135M, its answers are often wrong)."
    )
    port = free_port()
    process = local_model_start(port=port, log_path=state_dir / "local-model.log")
    try:
        environment = {
            **os.environ,
            **QUICK_STOP,
            "OPENAI_COMPATIBLE_BASE_URL": f"http://127.0.0.1:{port}/v1",
            "OPENAI_COMPATIBLE_MODEL": MODEL_NAME,
            "OPENAI_COMPATIBLE_MAX_IN_FLIGHT": str(N_PARALLEL),
        }
        settings.PROVIDER_SETTINGS = provider_settings(environment)
        yield environment
    finally:
        children_stop([process], grace_s=STOP_GRACE_S)


@contextmanager
def _redis() -> Iterator[None]:
    server = EmbeddedServer(settings.STATE_DIR) if settings.REDIS_IS_EMBEDDED else None
    if server:
        server.start()
    try:
        yield
    finally:
        if server:
            server.stop()


def _run_make() -> Run:
    """Load the domains and start the run."""
    LanguageModel.objects.filter(name=MODEL_NAME).update(max_output_tokens=LOCAL_ANSWER_TOKENS)
    rows = parse_import(DOMAINS_FILE.read_bytes(), kind=Format.CSV).rows
    domains_import(rows, actor="demo")
    prompts = Prompt.objects.filter(is_archived=False).order_by("-is_default", "id")[:N_PROMPTS]
    return run_create(
        actor="demo",
        kind=Run.Kind.STAFF,
        domains=Domain.objects.all(),
        prompts=[prompt.name for prompt in prompts],
    )


def _ask(run: Run, *, environment: Mapping[str, str], log_path: Path, out: Console) -> None:
    """Run workers and scheduler until no question is open, with a bar that follows."""
    with log_path.open("w") as log:
        supervisor = Supervisor(
            worker_services(n_workers=settings.QUEUE_CONCURRENCY),
            environment=environment,
            grace_s=STOP_GRACE_S,
            out=log,
        )
        try:
            _follow(run, supervisor, out=out, log_path=log_path)
        finally:
            supervisor.stop_all()


def _follow(run: Run, supervisor: Supervisor, *, out: Console, log_path: Path) -> None:
    n_questions = coverage_for(run).questions or 0
    moved_s = time.monotonic()
    n_last = -1
    with progress_shown(out, n_questions=n_questions) as show:
        while supervisor.step():
            n_ended = coverage_for(run).ended
            if n_ended != n_last:
                n_last, moved_s = n_ended, time.monotonic()
                show(n_ended)
            if n_ended == n_questions:
                return
            if any(runner.n_early_ends >= N_EARLY_ENDS for runner in supervisor.runners):
                raise DemoError(f"The workers do not stay up: see {log_path}.")
            if time.monotonic() - moved_s > STALLED_AFTER_S:
                raise DemoError(f"Nothing moved for {STALLED_AFTER_S} s: see {log_path}.")
    raise DemoError("Stopped before the end.")
