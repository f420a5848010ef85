"""What staff do in the admin: each action calls its service, says the numbers, and is refused to whoever may not."""

from collections.abc import Iterable

import pytest
from django.contrib.auth.models import User
from django.contrib.messages import get_messages
from django.http import HttpResponse
from django.test import Client
from django.urls import reverse
from django.utils import timezone

from processing.models import Cohort, Domain, Question, Run
from tests.factories import (
    make_cohort,
    make_domain,
    make_key,
    make_model,
    make_prompt_version,
    make_provider,
    make_run,
)

DOMAINS = "admin:processing_domain_changelist"
RUNS = "admin:processing_run_changelist"


@pytest.fixture
def can_answer(db: None) -> None:
    """A default prompt and a default model with a usable key."""
    make_prompt_version()
    provider = make_provider()
    make_key(provider=provider)
    make_model(provider=provider)


def _act(client: Client, page: str, action: str, ids: Iterable[int], **extra: str) -> HttpResponse:
    data = {"action": action, "_selected_action": [str(pk) for pk in ids], **extra}
    return client.post(reverse(page), data)  # type: ignore[return-value]


def _said(answer: HttpResponse) -> str:
    return " ".join(str(message) for message in get_messages(answer.wsgi_request))  # type: ignore[attr-defined]


def test_process_now_makes_one_run_of_the_chosen_domains(superuser_client: Client, can_answer: None) -> None:
    chosen = [make_domain(), make_domain()]
    make_domain()

    answer = _act(superuser_client, DOMAINS, "process_now", [domain.pk for domain in chosen])

    run = Run.objects.get()
    assert (run.kind, run.created_by, run.n_questions) == (Run.Kind.STAFF, "root", 2)
    assert set(run.questions.values_list("domain", flat=True)) == {domain.pk for domain in chosen}
    assert f"Run {run.pk}</a> asks 2 questions about 2 domains." in _said(answer)


def test_process_now_over_all_matches_of_a_status_takes_them_all(
    superuser_client: Client, can_answer: None
) -> None:
    domains = [make_domain() for _ in range(3)]

    superuser_client.post(
        f"{reverse(DOMAINS)}?status=pending",
        {"action": "process_now", "_selected_action": [str(domains[0].pk)], "select_across": "1"},
    )

    assert Run.objects.get().questions.count() == 3


def test_process_now_without_models_says_what_is_missing(superuser_client: Client) -> None:
    make_prompt_version()

    answer = _act(superuser_client, DOMAINS, "process_now", [make_domain().pk])

    assert "No model can be asked" in _said(answer)
    assert not Run.objects.exists()


def test_retry_failed_asks_again_what_has_no_answer(superuser_client: Client, can_answer: None) -> None:
    domain = make_domain()
    _act(superuser_client, DOMAINS, "process_now", [domain.pk])
    first = Run.objects.get()
    first.questions.update(status="failed", reason="timeout", finished_at=timezone.now())
    Run.objects.filter(pk=first.pk).update(finished_at=timezone.now(), n_failed=1)
    Domain.objects.filter(pk=domain.pk).update(open_run=None, selection_run=first)

    answer = _act(superuser_client, DOMAINS, "retry_failed", [domain.pk])

    second = Run.objects.latest("id")
    assert (second.kind, second.parent_run_id, second.n_questions) == (Run.Kind.RETRY, first.pk, 1)
    assert "1 question asked again" in _said(answer)


def test_retry_failed_of_a_domain_never_asked_is_refused(superuser_client: Client) -> None:
    answer = _act(superuser_client, DOMAINS, "retry_failed", [make_domain().pk])

    assert "was never asked" in _said(answer)


def test_mark_due_archive_and_unarchive_say_how_many(superuser_client: Client) -> None:
    later = make_domain(due_at=timezone.now() + timezone.timedelta(days=3))  # type: ignore[attr-defined]
    archived = make_domain(is_archived=True)
    ids = [later.pk, archived.pk]

    assert "1 domain due now" in _said(_act(superuser_client, DOMAINS, "mark_due", ids))
    assert "1 domain archived" in _said(_act(superuser_client, DOMAINS, "archive", ids))
    assert "2 domains back in service" in _said(_act(superuser_client, DOMAINS, "unarchive", ids))
    later.refresh_from_db()
    assert later.due_at is not None
    assert later.due_at <= timezone.now()
    assert not later.is_archived


def test_domain_page_buttons_do_the_same(superuser_client: Client) -> None:
    domain = make_domain()

    answer = superuser_client.post(reverse("admin:processing_domain_verb", args=[domain.pk, "archive"]))

    assert answer.status_code == 302
    domain.refresh_from_db()
    assert domain.is_archived


def test_editing_a_domain_leaves_the_engines_columns_alone(superuser_client: Client) -> None:
    domain, cohort = make_domain(), make_cohort()
    run = make_run(domains=(domain,))
    form = {"display_name": "Nike", "aliases": "Nike Inc., Swoosh", "category": "", "priority": "9",
            "refresh_after_days": "", "cohorts": [str(cohort.pk)]}  # fmt: skip

    superuser_client.post(reverse("admin:processing_domain_change", args=[domain.pk]), form)

    domain.refresh_from_db()
    assert (domain.display_name, domain.aliases, domain.priority) == ("Nike", ["Nike Inc.", "Swoosh"], 9)
    assert domain.open_run == run
    assert list(domain.cohorts.all()) == [cohort]


def test_domain_that_was_asked_cannot_be_deleted(superuser_client: Client, can_answer: None) -> None:
    asked, fresh = make_domain(), make_domain()
    _act(superuser_client, DOMAINS, "process_now", [asked.pk])

    refused = superuser_client.post(
        reverse("admin:processing_domain_delete", args=[asked.pk]), {"post": "yes"}
    )
    superuser_client.post(reverse("admin:processing_domain_delete", args=[fresh.pk]), {"post": "yes"})

    assert refused.status_code == 403
    assert list(Domain.objects.all()) == [asked]
    page = superuser_client.get(reverse("admin:processing_domain_change", args=[asked.pk])).content.decode()
    assert "it cannot be deleted; archive it instead" in page


def test_run_is_paused_and_resumed(superuser_client: Client) -> None:
    run = make_run(domains=(make_domain(),))

    said = _said(_act(superuser_client, RUNS, "pause_runs", [run.pk]))
    run.refresh_from_db()
    assert run.paused_at
    assert "is paused" in said
    superuser_client.post(reverse("admin:processing_run_verb", args=[run.pk, "resume"]))

    run.refresh_from_db()
    assert run.paused_at is None


def test_cancel_asks_first(superuser_client: Client) -> None:
    run = make_run(domains=(make_domain(),), versions=(make_prompt_version(),), models=(make_model(),))

    asked = _act(superuser_client, RUNS, "cancel_runs", [run.pk])
    run.refresh_from_db()
    assert "Yes, cancel Run" in asked.rendered_content  # type: ignore[attr-defined]
    assert run.cancelled_at is None
    _act(superuser_client, RUNS, "cancel_runs", [run.pk], confirmed="1")

    run.refresh_from_db()
    assert run.cancelled_by == "root"
    assert run.questions.get().status == Question.Status.CANCELLED


def test_verb_needs_post(superuser_client: Client) -> None:
    run = make_run(domains=(make_domain(),))

    answer = superuser_client.get(reverse("admin:processing_run_verb", args=[run.pk, "cancel"]))

    assert answer.status_code == 405


def test_retry_failed_of_a_run_opens_its_failed_questions(superuser_client: Client) -> None:
    run = make_run(domains=(make_domain(),), versions=(make_prompt_version(),), models=(make_model(),))
    run.questions.update(status="failed", reason="timeout", finished_at=timezone.now())

    answer = superuser_client.post(reverse("admin:processing_run_verb", args=[run.pk, "retry"]))

    assert run.questions.get().status == Question.Status.WAITING
    assert "asks 1 failed question again" in _said(answer)  # type: ignore[arg-type]


def test_start_page_takes_pending_domains_of_a_cohort(superuser_client: Client, can_answer: None) -> None:
    cohort: Cohort = make_cohort()
    inside = make_domain(cohorts=(cohort,))
    make_domain()

    answer = superuser_client.post(
        reverse("admin:processing_run_start"), {"cohorts": [cohort.name], "batch_size": "", "priority": "7"}
    )

    run = Run.objects.get()
    assert answer["Location"] == reverse("admin:processing_run_change", args=[run.pk])
    assert (run.kind, run.priority) == (Run.Kind.STAFF, 7)
    assert [question.domain for question in run.questions.all()] == [inside]


def test_start_page_with_nothing_pending_says_so(superuser_client: Client, can_answer: None) -> None:
    answer = superuser_client.post(reverse("admin:processing_run_start"), {"priority": "5"})

    assert "No domain is pending" in answer.content.decode()
    assert not Run.objects.exists()


@pytest.mark.parametrize(("page", "action"), [
    (DOMAINS, "process_now"), (DOMAINS, "retry_failed"), (DOMAINS, "mark_due"), (DOMAINS, "archive"),
    (RUNS, "pause_runs"), (RUNS, "cancel_runs"), (RUNS, "retry_failed"),
])  # fmt: skip
def test_viewer_cannot_run_actions(
    client: Client, viewer: User, can_answer: None, page: str, action: str
) -> None:
    domain = make_domain()
    run = make_run(domains=(make_domain(),))
    client.force_login(viewer)

    _act(client, page, action, [domain.pk, run.pk], confirmed="1")

    assert Run.objects.get() == run
    run.refresh_from_db()
    domain.refresh_from_db()
    assert (run.paused_at, run.cancelled_at, domain.is_archived) == (None, None, False)


@pytest.mark.parametrize("verb", ["pause", "cancel", "retry"])
def test_viewer_cannot_use_the_buttons(client: Client, viewer: User, verb: str) -> None:
    run = make_run(domains=(make_domain(),))
    client.force_login(viewer)

    assert client.post(reverse("admin:processing_run_verb", args=[run.pk, verb])).status_code == 403
    assert client.post(reverse("admin:processing_domain_verb", args=[1, "archive"])).status_code == 403


@pytest.mark.parametrize("model", ["run", "question", "attempt", "drain", "leader", "promptversion"])
def test_records_cannot_be_added_by_hand(superuser_client: Client, model: str) -> None:
    assert superuser_client.get(reverse(f"admin:processing_{model}_add")).status_code == 403


def test_new_prompt_version_leaves_the_old_one(superuser_client: Client) -> None:
    first = make_prompt_version(text="What is {domain}?")
    form = {"text": "Who owns {domain}?", "system_text": "", "max_output_tokens": "500", "temperature": ""}

    superuser_client.post(reverse("admin:processing_prompt_version", args=[first.prompt_id]), form)

    versions = first.prompt.versions.order_by("number").values_list("number", "text", "created_by")
    assert list(versions) == [(1, "What is {domain}?", "tests"), (2, "Who owns {domain}?", "root")]


def test_prompt_version_that_cannot_be_asked_is_refused(superuser_client: Client) -> None:
    first = make_prompt_version()
    form = {"text": "Who owns {company}?", "system_text": "", "max_output_tokens": "500", "temperature": ""}

    answer = superuser_client.post(reverse("admin:processing_prompt_version", args=[first.prompt_id]), form)

    assert "cannot be stored" in answer.content.decode()
    assert first.prompt.versions.count() == 1
