"""The derived status in SQL against its rule, and what is found out about a domain."""

from datetime import timedelta
from itertools import product

import pytest
from django.db import connection
from django.test.utils import CaptureQueriesContext
from django.utils import timezone

from processing.errors import Invalid, NotFound
from processing.models import Attempt, Domain, Question, Run
from processing.rules.status import Coverage, domain_status
from processing.selectors.answers import answers_for_domain
from processing.selectors.domains import (
    coverages_for_domains,
    domain_for,
    domains_by_status,
    domains_named,
    latest_answers,
    next_due_at_for,
    open_errors,
    with_status,
)
from tests.factories import make_attempt, make_domain, make_model, make_prompt_version, make_run

pytestmark = pytest.mark.django_db


def answer(question: Question, **values: object) -> Attempt:
    """Let a question be answered."""
    attempt = make_attempt(question=question, **values)
    Question.objects.filter(pk=question.pk).update(status="answered", answer=attempt)
    return attempt


def fail(question: Question, outcome: str = "timeout") -> Attempt:
    """Let a question fail after a bad call."""
    Question.objects.filter(pk=question.pk).update(status="failed", reason=outcome)
    return make_attempt(question=question, outcome=outcome, text=None)


def end(run: Run) -> None:
    """Release the domains of a run."""
    Domain.objects.filter(open_run=run).update(open_run=None, due_at=timezone.now() + timedelta(days=7))


def test_status_in_sql_equals_the_rule() -> None:
    run = make_run()
    times = {True: timezone.now() - timedelta(hours=1), False: timezone.now() + timedelta(hours=1)}
    facts = list(product([True, False], [True, False], [True, False, None], [(0, 0), (3, 0), (3, 1), (3, 3)]))
    for is_archived, is_open, is_due, (n_cells, n_answered) in facts:
        make_domain(
            is_archived=is_archived,
            open_run=run if is_open else None,
            due_at=None if is_due is None else times[is_due],
            n_cells=n_cells,
            n_answered_cells=n_answered,
        )

    in_sql = list(with_status(Domain.objects.order_by("id")).values_list("status_name", flat=True))  # type: ignore[misc]

    assert in_sql == [
        domain_status(
            is_archived=is_archived,
            has_open_run=is_open,
            is_due=bool(is_due),
            n_cells=cells,
            n_answered_cells=done,
        )
        for is_archived, is_open, is_due, (cells, done) in facts
    ]
    assert sum(domains_by_status().values()) == len(facts)


def test_next_due_at_is_the_earliest_to_come() -> None:
    soon, later = timezone.now() + timedelta(hours=1), timezone.now() + timedelta(hours=2)
    for due_at in (later, soon, None, timezone.now() - timedelta(hours=1)):
        make_domain(due_at=due_at)
    make_domain(due_at=timezone.now() + timedelta(minutes=1), is_archived=True)

    assert next_due_at_for(Domain.objects.all()) == soon


@pytest.mark.parametrize("form", ["{0.pk}", "nike.com", "https://www.NIKE.com/"])
def test_domain_is_found_by_id_and_by_name(form: str) -> None:
    domain = make_domain("nike.com")

    assert domain_for(form.format(domain)) == domain


@pytest.mark.parametrize(
    "reference", ["0", "9" * 30, "adidas.com", "not a domain", "\x00", "", "\ud800", "-1", "١"]
)
def test_domain_that_is_not_there_is_not_found(reference: str) -> None:
    make_domain("nike.com")

    with pytest.raises(NotFound):
        domain_for(reference)


def test_domains_named_takes_ids_and_names() -> None:
    nike, adidas = make_domain("nike.com"), make_domain("adidas.com")

    assert set(domains_named([nike.pk, "www.adidas.com", str(nike.pk)])) == {nike, adidas}


def test_domains_named_names_the_unknown() -> None:
    make_domain("nike.com")

    with pytest.raises(Invalid) as refused:
        domains_named(["nike.com", "puma.com", 9**30])

    assert refused.value.fields == {
        "domains": ["There is no domain puma.com.", f"There is no domain {9**30}."]
    }


def test_latest_answers_are_the_newest_per_prompt_and_model() -> None:
    domain, (first, second) = make_domain(), (make_model(), make_model())
    old = make_prompt_version()
    new = make_prompt_version(prompt=old.prompt)
    other = make_prompt_version()
    for version in (old, new):
        run = make_run(domains=(domain,), versions=(version, other), models=(first, second))
        answers = [answer(question) for question in run.questions.order_by("prompt_version", "model")]
        end(run)
    probe = make_run(domains=(domain,), versions=(old,), models=(first,), kind="probe")
    answer(probe.questions.get())

    assert {found.pk for found in latest_answers(domain)} == {attempt.pk for attempt in answers}


def test_answers_of_a_domain_are_its_history() -> None:
    domain, model, version = make_domain(), make_model(), make_prompt_version()
    expected = []
    for _ in range(2):
        run = make_run(domains=(domain, make_domain()), versions=(version,), models=(model,))
        first, second = run.questions.order_by("domain")
        make_attempt(question=first, outcome="timeout", text=None)
        expected.append(answer(first))
        answer(second)

    assert list(answers_for_domain(domain).order_by("id")) == expected


def test_errors_are_the_newest_failure_of_each_cell_without_an_answer() -> None:
    domain, version = make_domain(), make_prompt_version()
    models = [make_model() for _ in range(4)]
    run = make_run(domains=(domain,), versions=(version,), models=tuple(models))
    answered, failed, expired, waiting = run.questions.order_by("id")
    make_attempt(question=answered, outcome="timeout", text=None)
    answer(answered)
    fail(failed, "timeout")
    newest = fail(failed, "overloaded")
    Question.objects.filter(pk=expired.pk).update(status="failed", reason="expired")
    retried = make_attempt(question=waiting, outcome="timeout", text=None)

    domain.refresh_from_db()
    errors = [(error.question.pk, error.attempt) for error in open_errors(domain)]

    assert errors == [(failed.pk, newest), (expired.pk, None), (waiting.pk, retried)]


def test_error_goes_once_a_retry_has_answered() -> None:
    domain, version, model = make_domain(), make_prompt_version(), make_model()
    run = make_run(domains=(domain,), versions=(version,), models=(model,))
    fail(run.questions.get())
    end(run)
    retry = make_run(domains=(), versions=(version,), models=(model,), parent_run=run, kind="retry")
    answer(Question.objects.create(run=retry, domain=domain, prompt_version=version, model=model))

    assert open_errors(domain) == []
    domain.refresh_from_db()
    assert coverages_for_domains([domain]) == {domain.pk: Coverage(1, answered=1)}


def test_coverage_is_that_of_each_domains_own_last_selection() -> None:
    version, model, other = make_prompt_version(), make_model(), make_model()
    once, twice, never = make_domain(), make_domain(), make_domain()
    first = make_run(domains=(once, twice), versions=(version,), models=(model, other))
    for question in first.questions.all():
        answer(question) if question.model == model else fail(question)
    end(first)
    make_run(domains=(twice,), versions=(version,), models=(model,))
    domains = Domain.objects.in_bulk([once.pk, twice.pk, never.pk])

    assert coverages_for_domains(domains.values()) == {
        once.pk: Coverage(2, answered=1, failed=1),
        twice.pk: Coverage(1),
        never.pk: Coverage(0),
    }


def test_coverage_takes_the_same_queries_for_one_and_for_three() -> None:
    version, model = make_prompt_version(), make_model()
    make_run(domains=tuple(make_domain() for _ in range(3)), versions=(version,), models=(model,))
    domains = list(Domain.objects.all())

    def queries(n: int) -> int:
        with CaptureQueriesContext(connection) as captured:
            coverages_for_domains(domains[:n])
        return len(captured)

    assert queries(1) == queries(3) == 3
