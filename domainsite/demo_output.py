"""What `make demo` prints: progress, the table of answers, the last line."""

import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager

from rich.box import SIMPLE_HEAD
from rich.console import Console
from rich.progress import BarColumn, MofNCompleteColumn, Progress, TextColumn, TimeElapsedColumn
from rich.table import Table
from rich.text import Text

from processing.models import Question, Run
from processing.rules.status import Coverage

N_SHOWN_CHARACTERS = 70
ONE_LINE_FROM = 110  # characters; in a narrower terminal a row takes several lines
LINE_EVERY_S = 5  # of progress, where there is no terminal


@contextmanager
def progress_shown(out: Console, *, n_questions: int) -> Iterator[Callable[[int], None]]:
    """Give a function that takes how many questions have ended: a live bar, or now and then a line."""
    if not out.is_terminal:
        yield _line_printer(out, n_questions=n_questions)
        return
    columns = (TextColumn("{task.description}"), BarColumn(), MofNCompleteColumn(), TimeElapsedColumn())
    with Progress(*columns, console=out) as progress:
        task = progress.add_task("Asking", total=n_questions)
        yield lambda n_ended: progress.update(task, completed=n_ended)


def _line_printer(out: Console, *, n_questions: int) -> Callable[[int], None]:
    printed_s = float("-inf")

    def show(n_ended: int) -> None:
        nonlocal printed_s
        if n_ended == n_questions or time.monotonic() - printed_s >= LINE_EVERY_S:
            printed_s = time.monotonic()
            out.print(f"{n_ended} of {n_questions} questions", highlight=False)

    return show


def answers_table(run: Run, *, width: int) -> Table:
    """Return domain × prompt × model with the first words of each answer, or why there is none."""
    is_wide = width >= ONE_LINE_FROM
    table = Table(box=SIMPLE_HEAD, pad_edge=False, expand=is_wide)
    for name in ("domain", "prompt", "model"):
        table.add_column(name, no_wrap=is_wide, overflow="fold")
    table.add_column("answer", no_wrap=is_wide, ratio=1 if is_wide else None)
    for name in ("tokens", "seconds"):
        table.add_column(name, justify="right", no_wrap=True)
    questions = Question.objects.filter(run=run).select_related(
        "domain", "prompt_version__prompt", "model", "answer"
    )
    for question in questions.order_by("domain_id", "prompt_version_id", "model_id"):
        table.add_row(*_cells(question))
    return table


def _cells(question: Question) -> list[Text]:
    attempt = question.answer
    if attempt is None or attempt.text is None:
        answer, tokens, seconds = f"({question.status}: {question.reason or 'no answer'})", "", ""
    else:
        words = " ".join(attempt.text.split())
        answer = words if len(words) <= N_SHOWN_CHARACTERS else f"{words[:N_SHOWN_CHARACTERS]}…"
        tokens = "" if attempt.output_tokens is None else str(attempt.output_tokens)
        seconds = "" if attempt.latency_ms is None else f"{attempt.latency_ms / 1000:.1f}"
    prompt = question.prompt_version.prompt
    shown = [question.domain.name, prompt.label, question.model.name, answer, tokens, seconds]
    return [Text(text) for text in shown]  # answers are no markup


def summary_line(run: Run, coverage: Coverage, *, took_s: float) -> str:
    """Return the last line, such as `demo: 20 of 20 questions answered by 1 models in 44 s`."""
    n_models = (
        Question.objects.filter(run=run, status=Question.Status.ANSWERED).values("model").distinct().count()
    )
    share = f"{coverage.answered} of {coverage.questions} questions answered"
    return f"demo: {share} by {n_models} models in {took_s:.0f} s"
