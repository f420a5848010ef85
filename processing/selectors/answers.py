"""Reads answers and questions with the names that people know them by.

An answer is the attempt that satisfied its question. Its text is left in the database unless it is asked for: a
page of 500 answers would carry a megabyte of it. The newest answers of a domain are in `selectors.domains`.
"""

from django.db.models import F, QuerySet

from processing.models import Attempt, Domain, Question, Run

_CELL = ("domain", "prompt_version__prompt", "model__provider")


def questions_with_names() -> QuerySet[Question]:
    """Return questions with domain, prompt, version, model and provider joined; no text."""
    return Question.objects.select_related(*_CELL).defer(
        "prompt_version__text", "prompt_version__system_text"
    )


def attempts_with_names(*, with_text: bool = False) -> QuerySet[Attempt]:
    """Return attempts with all that their question is about joined; their text only `with_text`."""
    attempts = Attempt.objects.select_related(*(f"question__{part}" for part in _CELL)).defer(
        "question__prompt_version__text", "question__prompt_version__system_text"
    )
    return attempts if with_text else attempts.defer("text")


def answers_for_domain(domain: Domain, *, with_text: bool = False) -> QuerySet[Attempt]:
    """Return every answer about the domain, from all runs: its history."""
    return attempts_with_names(with_text=with_text).filter(question__domain=domain, pk=F("question__answer"))


def answers_for_run(run: Run, *, with_text: bool = False) -> QuerySet[Attempt]:
    """Return every answer that a run has, by question."""
    answers = attempts_with_names(with_text=with_text).filter(question__run=run, pk=F("question__answer"))
    return answers.order_by("question_id")
