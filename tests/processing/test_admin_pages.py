"""Every admin page of this app opens, costs the same number of queries for one row as for three, and escapes."""

import re
from collections.abc import Callable
from datetime import timedelta
from typing import Any

import pytest
from django.contrib.auth.models import User
from django.db import connection
from django.test import Client
from django.test.utils import CaptureQueriesContext
from django.urls import reverse
from django.utils import timezone

from processing.admin import show
from processing.admin.base import BoundedPaginator
from processing.admin.domain_page import runs_for
from processing.admin.home import provider_rows
from processing.models import Cohort, Drain, Leader, Prompt, Question
from processing.rules.status import Coverage, RunStatus
from tests.factories import (
    make_attempt,
    make_cohort,
    make_domain,
    make_key,
    make_model,
    make_prompt_version,
    make_provider,
    make_question,
    make_run,
)

NASTY = '<script>alert("x")</script>'


def _make_answered(**values: Any) -> Question:
    question = make_question(**values)
    attempt = make_attempt(question=question, text=f"A shop. {NASTY}", served_model="other")
    Question.objects.filter(pk=question.pk).update(
        status="answered", answer=attempt, finished_at=timezone.now()
    )
    question.refresh_from_db()
    return question


def _make_run_with_failure() -> None:
    provider = make_provider()
    make_key(provider=provider)
    domain = make_domain(cohorts=(make_cohort(),), display_name=NASTY)
    run = make_run(
        domains=(domain,), versions=(make_prompt_version(),), models=(make_model(provider=provider),)
    )
    make_attempt(question=run.questions.get(), outcome="timeout", text=None, error_message=NASTY)
    run.questions.update(status="failed", reason="timeout", finished_at=timezone.now())


MAKERS: dict[str, Callable[[], object]] = {
    "domain": lambda: make_domain(cohorts=(make_cohort(), make_cohort()), display_name=NASTY),
    "cohort": lambda: make_domain(cohorts=(make_cohort(),)),
    "prompt": make_prompt_version,
    "promptversion": make_prompt_version,
    "run": _make_run_with_failure,
    "question": _make_answered,
    "attempt": _make_answered,
    "drain": lambda: Drain.objects.create(host="here", pid=1),
    "leader": lambda: Leader.objects.create(role=f"role {Leader.objects.count()}"),
}


def _queries_of(client: Client, address: str) -> int:
    with CaptureQueriesContext(
        connection,
    ) as captured:
        answer = client.get(address)
    assert answer.status_code == 200
    assert "<script>alert" not in answer.content.decode()
    return len(captured)


@pytest.mark.parametrize("model", MAKERS)
def test_list_page_costs_the_same_with_more_rows(superuser_client: Client, model: str) -> None:
    address = reverse(f"admin:processing_{model}_changelist")
    MAKERS[model]()
    superuser_client.get(address)
    with_one = _queries_of(superuser_client, address)
    MAKERS[model]()
    MAKERS[model]()

    assert _queries_of(superuser_client, address) == with_one


def test_home_page_costs_the_same_with_more_runs(superuser_client: Client) -> None:
    _make_run_with_failure()
    superuser_client.get(reverse("admin:index"))
    with_one = _queries_of(superuser_client, reverse("admin:index"))
    make_run(domains=(make_domain(),))
    make_run(domains=(make_domain(),), finished_at=timezone.now(), n_questions=0)

    assert (
        _queries_of(superuser_client, reverse("admin:index")) <= with_one + 16
    )  # time left is asked per open run


def test_domain_page_costs_the_same_with_more_answers(superuser_client: Client) -> None:
    domain = make_domain(display_name=NASTY)
    address = reverse("admin:processing_domain_change", args=[domain.pk])
    _make_answered(domain=domain)
    superuser_client.get(address)
    with_one = _queries_of(superuser_client, address)
    _make_answered(domain=domain)
    _make_answered(domain=domain)

    assert _queries_of(superuser_client, address) == with_one


def test_domain_page_shows_the_newest_answer_and_the_failure_after_it(superuser_client: Client) -> None:
    answered = _make_answered()
    cell: dict[str, Any] = {
        "domain": answered.domain, "prompt_version": answered.prompt_version, "model": answered.model,
    }  # fmt: skip
    failed = make_question(**cell, status="failed", reason="timeout", finished_at=timezone.now())
    make_attempt(question=failed, outcome="timeout", text=None, error_message="No answer within 60 s.")

    page = superuser_client.get(
        reverse("admin:processing_domain_change", args=[answered.domain_id])
    ).content.decode()

    assert "A shop. &lt;script&gt;" in page
    assert "No answer within 60 s." in page
    assert f"Run {answered.run_id}</a>:" in page


def test_domain_page_counts_only_its_own_questions_of_a_run(db: None) -> None:
    domain, version, model = make_domain(), make_prompt_version(), make_model()
    run = make_run(domains=(domain, make_domain()), versions=(version,), models=(model,))
    run.questions.filter(domain=domain).update(status="failed", reason="timeout")

    assert runs_for(domain) == [(run, RunStatus.RUNNING, Coverage(1, failed=1))]


def test_run_page_groups_failures_by_cause(superuser_client: Client) -> None:
    _make_run_with_failure()
    question = Question.objects.get()

    page = superuser_client.get(
        reverse("admin:processing_run_change", args=[question.run_id])
    ).content.decode()

    assert "Failures by cause" in page
    assert "0 of 1 answered, 1 failed" in page
    assert (
        f"?run={question.run_id}&amp;status__exact=failed&amp;model={question.model_id}&amp;reason=timeout"
        in page
    )
    assert NASTY not in page


@pytest.mark.parametrize("model", ["question", "attempt"])
def test_record_pages_show_text_escaped(superuser_client: Client, model: str) -> None:
    question = _make_answered()
    pk = {"question": question.pk, "attempt": question.answer_id}[model]

    page = superuser_client.get(reverse(f"admin:processing_{model}_change", args=[pk])).content.decode()

    assert "A shop. &lt;script&gt;" in page
    assert NASTY not in page


def test_prompt_page_shows_every_version(superuser_client: Client) -> None:
    first = make_prompt_version(text="What is {domain}?")
    make_prompt_version(prompt=first.prompt, text="Who owns {domain}?")

    page = superuser_client.get(
        reverse("admin:processing_prompt_change", args=[first.prompt_id])
    ).content.decode()

    assert page.index("Who owns {domain}?") < page.index("What is {domain}?")


@pytest.mark.parametrize(
    "query", ["run=7", "run=x", "domain=9", "model=3", "model=x", "reason=timeout", "status__exact=failed"]
)
def test_question_filters_take_any_value(superuser_client: Client, query: str) -> None:
    make_question()

    answer = superuser_client.get(f"{reverse('admin:processing_question_changelist')}?{query}")

    assert answer.status_code == 200


@pytest.mark.parametrize(
    ("list_name", "status"), [("domain", "pending"), ("domain", "archived"), ("run", "running")]
)
def test_status_filter_finds_the_derived_status(
    superuser_client: Client, list_name: str, status: str
) -> None:
    pending, archived = make_domain("pending.com"), make_domain("archived.com", is_archived=True)
    run = make_run(domains=(make_domain("asked.com"),))
    wanted = {"pending": pending.name, "archived": archived.name, "running": str(run)}[status]

    answer = superuser_client.get(f"{reverse(f'admin:processing_{list_name}_changelist')}?status={status}")

    assert [str(row) for row in answer.context["cl"].result_list] == [wanted]


def test_paginator_never_counts_beyond_its_bound(db: None, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(BoundedPaginator, "COUNT_AT_MOST", 2)
    for _ in range(4):
        make_cohort()

    paginator = BoundedPaginator(Cohort.objects.order_by("id"), 1)

    assert (paginator.count, paginator.is_cut, paginator.num_pages) == (2, True, 2)


def test_dead_drain_is_told_from_one_that_lives(superuser_client: Client) -> None:
    Drain.objects.create(host="alive", pid=1)
    Drain.objects.create(host="gone", pid=2, beat_at=timezone.now() - timedelta(minutes=2))

    page = superuser_client.get(reverse("admin:processing_drain_changelist")).content.decode()

    assert page.count(">alive</span>") == 1
    assert page.count("dead: no beat") == 1


@pytest.mark.parametrize(("life", "host"), [("alive", "alive"), ("dead", "gone"), ("ended", "done")])
def test_drains_are_filtered_by_life(superuser_client: Client, life: str, host: str) -> None:
    Drain.objects.create(host="alive", pid=1)
    Drain.objects.create(host="gone", pid=2, beat_at=timezone.now() - timedelta(minutes=2))
    Drain.objects.create(host="done", pid=3, ended_at=timezone.now(), end=Drain.End.DONE)

    answer = superuser_client.get(f"{reverse('admin:processing_drain_changelist')}?life={life}")

    assert [drain.host for drain in answer.context["cl"].result_list] == [host]


def test_home_page_of_an_empty_installation_says_what_to_do(superuser_client: Client) -> None:
    page = superuser_client.get(reverse("admin:index")).content.decode()

    for words in ("First steps", "Add a key", "Import domains", "Start a run"):
        assert words in page


def test_home_page_lists_who_could_answer_and_who_is_off_last(db: None) -> None:
    make_provider("a-without-key")
    make_key(provider=make_provider("b-off", is_enabled=False))
    make_key(provider=make_provider("c-local-off", is_enabled=False, needs_key=False))
    make_key(provider=make_provider("d-local", needs_key=False))
    make_key(provider=make_model(provider=make_provider("e-answers")).provider)

    shown = [(row.provider.name, row.n_keys, row.is_off) for row in provider_rows()]

    assert shown == [("e-answers", 1, False), ("d-local", 0, False), ("b-off", 1, True)]


@pytest.mark.parametrize(
    ("amount", "words"),
    [(None, "–"), (0, "$0.00"), ("0.00001", "<$0.0001"), ("0.0123", "$0.0123"), ("1234.5", "$1,234.50")],
)
def test_money_that_is_not_nothing_never_shows_as_nothing(amount: Any, words: str) -> None:
    assert show.usd(amount) == words


def test_home_page_of_staff_without_rights_shows_nothing_of_the_work(staff_client: Client) -> None:
    _make_run_with_failure()

    page = staff_client.get(reverse("admin:index")).content.decode()

    assert "Running now" not in page
    assert "Who can answer" not in page


def test_no_page_holds_inline_script_or_style(superuser_client: Client) -> None:
    _make_run_with_failure()
    question = _make_answered()
    pages = [
        reverse("admin:index"),
        reverse("admin:processing_run_start"),
        reverse("admin:processing_domain_import"),
    ]
    pages += [reverse(f"admin:processing_{model}_changelist") for model in MAKERS]
    pages += [reverse("admin:processing_domain_change", args=[question.domain_id])]
    pages += [reverse("admin:django_rq_dashboard_changelist"), reverse("admin:django_rq_jobs", args=[0])]

    for address in pages:
        page = superuser_client.get(address).content.decode()
        assert re.findall(r"<script(?![^>]*src)", page) == [], address
        assert "<style" not in page, address
        assert ' style="' not in page, address
        assert "onclick=" not in page, address


def test_queue_pages_wear_our_frame(superuser_client: Client) -> None:
    page = superuser_client.get(reverse("admin:django_rq_dashboard_changelist")).content.decode()

    assert "domainsite/admin.css" in page
    assert 'aria-current="page">Queues' in page


def test_viewer_reads_and_cannot_write(client: Client, viewer: User) -> None:
    domain, prompt = make_domain(), make_prompt_version().prompt
    client.force_login(viewer)

    page = client.get(reverse("admin:processing_domain_change", args=[domain.pk])).content.decode()

    assert 'name="_save"' not in page
    assert "Process now" not in page
    assert client.get(reverse("admin:processing_prompt_version", args=[prompt.pk])).status_code == 403
    assert client.get(reverse("admin:processing_run_start")).status_code == 403
    assert client.get(reverse("admin:processing_domain_import")).status_code == 403
    assert Prompt.objects.get(pk=prompt.pk).versions.count() == 1
