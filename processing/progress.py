"""Watching a run in a terminal: a bar that follows it, or now and then a line where there is no terminal."""

import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager

from rich.console import Console
from rich.progress import BarColumn, MofNCompleteColumn, Progress, TextColumn, TimeElapsedColumn

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
