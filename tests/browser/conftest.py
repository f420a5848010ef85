"""A real browser on a live server: the system's Chromium, driven by Playwright.

Every page is watched: an error in its console, or a request to any other host, fails the test. All pages are served
under a strict content policy, so that an inline script or style shows as such an error. Where no Chromium is installed
the tests are skipped, except on CI (`CI=true`), where that is a failure.
"""

import os
import shutil
from collections.abc import Iterator
from pathlib import Path
from urllib.parse import urlsplit

import pytest
from django.contrib.auth.models import User
from playwright.sync_api import Browser, ConsoleMessage, Page, Request, Route, sync_playwright
from pytest_django.live_server_helper import LiveServer

CHROMIUM_NAMES = ("chromium", "chromium-browser", "google-chrome")
ARGUMENTS = [
    "--no-sandbox", "--disable-gpu", "--disable-quic", "--no-first-run", "--disable-background-networking",
    "--disable-component-update", "--disable-sync",
]  # fmt: skip
ARTIFACTS = Path(__file__).resolve().parents[2] / "test-artifacts"
POLICY = (
    "default-src 'none'; script-src 'self'; style-src 'self'; img-src 'self' data:; connect-src 'self'; "
    "form-action 'self'; base-uri 'none'; frame-ancestors 'none'"
)
PASSWORD = "correct horse battery"


def pytest_collection_modifyitems(items: list[pytest.Item]) -> None:
    """Mark all tests of this folder, so that they can be chosen or left out by `-m browser`."""
    for item in items:
        if Path(__file__).parent in item.path.parents:
            item.add_marker("browser")


@pytest.fixture(scope="module")
def chromium() -> Iterator[Browser]:
    """The browser. No longer than a module: while it lives, its event loop runs in the thread of the tests."""
    path = next((found for name in CHROMIUM_NAMES if (found := shutil.which(name))), None)
    if path is None:
        message = (
            "No Chromium is installed, so the browser tests cannot run (Debian: apt-get install chromium)."
        )
        if os.environ.get("CI") == "true":
            pytest.fail(message)
        pytest.skip(message)
    with sync_playwright() as playwright:
        browser = playwright.chromium.launch(executable_path=path, args=ARGUMENTS)
        with pytest.MonkeyPatch.context() as patch:
            # Django refuses its ordinary database calls where an event loop runs.
            patch.setenv("DJANGO_ALLOW_ASYNC_UNSAFE", "true")
            yield browser
        browser.close()


class Watch:
    """Collects what went wrong on a page."""

    def __init__(self, address: str) -> None:
        self.host = urlsplit(address).netloc
        self.problems: list[str] = []

    def console(self, message: ConsoleMessage) -> None:
        """Keep errors and warnings of the console."""
        if message.type in ("error", "warning"):
            self.problems.append(f"console {message.type}: {message.text}")

    def request(self, request: Request) -> None:
        """Keep requests that leave the server under test."""
        parts = urlsplit(request.url)
        if parts.scheme in ("http", "https") and parts.netloc != self.host:
            self.problems.append(f"request to another host: {request.url}")


def _serve_under_policy(route: Route) -> None:
    if route.request.resource_type != "document":
        route.fallback()
        return
    response = route.fetch(max_redirects=0)
    route.fulfill(response=response, headers={**response.headers, "content-security-policy": POLICY})


@pytest.fixture
def page(chromium: Browser, live_server: LiveServer) -> Iterator[Page]:
    """A watched page of a desktop's size."""
    watch = Watch(live_server.url)
    context = chromium.new_context(base_url=live_server.url, viewport={"width": 1360, "height": 850})
    context.set_default_timeout(15_000)
    context.route("**/*", _serve_under_policy)
    page = context.new_page()
    page.on("console", watch.console)
    page.on("request", watch.request)
    page.on("pageerror", lambda error: watch.problems.append(f"error in a script: {error}"))
    yield page
    context.close()
    assert watch.problems == []


@pytest.fixture
def staff_page(page: Page, transactional_db: None) -> Page:
    """The page of a superuser who has logged in through the form."""
    User.objects.create_superuser("root", password=PASSWORD)
    page.goto("/admin/")
    page.get_by_label("Username").fill("root")
    page.get_by_label("Password").fill(PASSWORD)
    page.get_by_role("button", name="Log in").click()
    page.wait_for_url("**/admin/")
    return page


def picture(page: Page, name: str) -> None:
    """Keep a picture of the whole page in `test-artifacts/`, which is not part of the repository."""
    ARTIFACTS.mkdir(exist_ok=True)
    page.screenshot(path=ARTIFACTS / f"{name}.png", full_page=True)
