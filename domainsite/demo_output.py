"""What `make demo` prints: the table of answers and the last line."""

from rich.box import SIMPLE_HEAD
from rich.table import Table
from rich.text import Text

from processing.models import Question, Run
from processing.rules.status import Coverage

N_SHOWN_CHARACTERS = 70
ONE_LINE_FROM = 110  # characters; in a narrower terminal a row takes several lines


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
