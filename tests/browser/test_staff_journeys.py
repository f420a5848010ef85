"""What staff do by hand, in a real browser: from the first login to an answer read and a run cancelled."""

import pytest
from django.utils import timezone
from playwright.sync_api import Page, expect

from processing.models import Domain, Question, Run
from tests.browser.conftest import picture
from tests.factories import (
    make_attempt,
    make_cohort,
    make_domain,
    make_key,
    make_model,
    make_prompt_version,
    make_provider,
    make_run,
)


@pytest.fixture
def can_answer(transactional_db: None) -> None:
    """A default prompt and a default model with a usable key."""
    make_prompt_version()
    provider = make_provider("openai", label="OpenAI")
    make_key(provider=provider)
    make_model(provider=provider, name="gpt-5-mini")


def _make_answer(domain: Domain, text: str) -> None:
    run = make_run(domains=(domain,), versions=(make_prompt_version(),), models=(make_model(),))
    question = run.questions.get()
    answer = make_attempt(question=question, text=text, input_tokens=211, output_tokens=412)
    Question.objects.filter(pk=question.pk).update(
        status="answered", answer=answer, finished_at=timezone.now()
    )


def test_import_by_paste_with_preview(staff_page: Page) -> None:
    page = staff_page
    expect(page.get_by_text("First steps")).to_be_visible()
    picture(page, "journey-empty-home")

    page.get_by_role("link", name="Import domains").first.click()
    page.get_by_label("Paste").fill("https://www.nike.com/shoes\nadidas.com\nadidas.com\nnot a domain")
    page.get_by_role("button", name="Preview").click()
    expect(page.get_by_text("Nothing is stored yet.")).to_be_visible()
    picture(page, "journey-import-preview")
    assert not Domain.objects.exists()
    page.get_by_role("button", name="Load 2 domains").click()

    expect(page.get_by_text("4 rows read: 2 created, 1 duplicate, 1 invalid.")).to_be_visible()
    assert set(Domain.objects.values_list("name", flat=True)) == {"nike.com", "adidas.com"}


def test_start_a_run_and_see_it_in_the_list(staff_page: Page, can_answer: None) -> None:
    page = staff_page
    make_domain("nike.com")

    page.get_by_role("link", name="Start a run").first.click()
    expect(page.get_by_label("openai: gpt-5-mini")).to_be_checked()
    picture(page, "journey-start-run")
    page.get_by_role("button", name="Process now").click()
    expect(page.get_by_text("0 of 1 answered").first).to_be_visible()
    picture(page, "journey-run")
    page.get_by_role("navigation", name="Main").get_by_role("link", name="Runs").click()

    run = Run.objects.get()
    expect(page.get_by_role("row", name=f"Run {run.pk}")).to_contain_text("running")


def test_read_an_answer_on_the_domain_page(staff_page: Page) -> None:
    page = staff_page
    _make_answer(
        make_domain("nike.com", display_name="<b>Nike</b>"), "Shoes.\n<script>document.title = 'bad'</script>"
    )

    page.goto("/admin/processing/domain/")
    page.get_by_role("link", name="nike.com").click()

    expect(page.locator("pre.text")).to_have_text("Shoes.\n<script>document.title = 'bad'</script>")
    expect(page.get_by_role("heading", name="<b>Nike</b>")).to_be_visible()
    expect(page.get_by_text("211 in, 412 out")).to_be_visible()
    assert page.title() != "bad"
    picture(page, "journey-domain")


def test_cancel_a_run_with_confirmation(staff_page: Page) -> None:
    page = staff_page
    run = make_run(domains=(make_domain(),), versions=(make_prompt_version(),), models=(make_model(),))

    page.goto(f"/admin/processing/run/{run.pk}/change/")
    page.get_by_role("link", name="Cancel run…").click()
    expect(page.get_by_role("heading", name=f"Cancel Run {run.pk}?")).to_be_visible()
    run.refresh_from_db()
    assert run.cancelled_at is None
    page.get_by_role("button", name=f"Yes, cancel Run {run.pk}").click()

    expect(page.get_by_text(f"Run {run.pk} is cancelled")).to_be_visible()
    run.refresh_from_db()
    assert run.cancelled_by == "root"


def test_cancel_from_the_list_asks_as_well(staff_page: Page) -> None:
    page = staff_page
    run = make_run(domains=(make_domain(),), versions=(make_prompt_version(),), models=(make_model(),))

    page.goto("/admin/processing/run/")
    page.locator("input.action-select").check()
    page.locator("select[name=action]").select_option(label="Cancel run…")
    page.get_by_role("button", name="Go", exact=True).click()
    page.get_by_role("button", name=f"Yes, cancel Run {run.pk}").click()

    expect(page.get_by_role("row", name=f"Run {run.pk}")).to_contain_text("cancelled")


def test_run_page_follows_the_work_without_a_reload(staff_page: Page) -> None:
    page = staff_page
    run = make_run(domains=(make_domain(),), versions=(make_prompt_version(),), models=(make_model(),))
    page.goto(f"/admin/processing/run/{run.pk}/change/")
    expect(page.get_by_text("1 open")).to_be_visible()

    run.questions.update(status="failed", reason="timeout", finished_at=timezone.now())

    expect(page.get_by_text("1 failed", exact=True)).to_be_visible(timeout=12_000)
    expect(page.get_by_role("button", name="Retry failed")).to_be_visible()


def test_pause_a_lane_and_drain_a_key_on_the_page_of_a_provider(staff_page: Page, can_answer: None) -> None:
    page = staff_page
    page.goto("/admin/providers/provider/")
    page.get_by_role("link", name="OpenAI", exact=True).click()
    expect(page.get_by_text("1 key, 1 pool")).to_be_visible()

    page.get_by_role("button", name="Pause lane").click()
    expect(page.get_by_text("is asked nothing until it is activated")).to_be_visible()
    page.get_by_role("button", name="Drain key").click()

    expect(page.get_by_role("heading", name="OpenAI no usable key")).to_be_visible()
    expect(page.get_by_text("drained by root").first).to_be_visible()
    picture(page, "journey-provider")
    page.set_viewport_size({"width": 390, "height": 800})
    assert page.evaluate("document.documentElement.scrollWidth") <= 390


@pytest.mark.parametrize("address", [
    "/admin/", "/admin/processing/domain/", "/admin/processing/domain/import/", "/admin/processing/run/",
    "/admin/processing/run/start/", "/admin/processing/question/", "/admin/processing/attempt/",
    "/admin/processing/prompt/", "/admin/processing/cohort/", "/admin/processing/drain/", "/admin/processing/leader/",
    "/admin/providers/apikey/", "/admin/providers/languagemodel/", "/admin/providers/provider/",
    "/admin/providers/limitpool/", "/admin/providers/usagebucket/", "/admin/providers/keyevent/",
    "/admin/django_rq/dashboard/", "/admin/django_rq/dashboard/queues/0/",
])  # fmt: skip
def test_page_fits_a_phone(staff_page: Page, can_answer: None, address: str) -> None:
    _make_answer(
        make_domain("a-domain-with-quite-a-long-name.co.uk", cohorts=(make_cohort(),)), "Shoes. " * 80
    )
    staff_page.set_viewport_size({"width": 390, "height": 800})

    staff_page.goto(address)

    assert staff_page.evaluate("document.documentElement.scrollWidth") <= 390
    picture(staff_page, f"phone{address.replace('/', '-')}".rstrip("-"))
