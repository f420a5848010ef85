"""A planted key is found nowhere: not in logs, rows, Redis, API answers, admin pages, exceptions or what is printed.

Providers of all tempers quote the key that they were sent: in error bodies, in answers, in headers, in a redirect.
"""

import asyncio
import json
import logging
import sys
import uuid
from collections.abc import Callable, Iterator
from dataclasses import dataclass
from typing import Any

import pytest
from django.core.signals import got_request_exception
from django.test import Client
from django.urls import reverse
from django.views.debug import ExceptionReporter
from rest_framework.test import APIClient

from processing.drain import DrainLoop, DrainPlan
from processing.models import Attempt, Domain, Run
from providers.environment import ProviderSettings
from providers.errors import ApplicationError
from providers.keyring import lanes_for
from providers.models import ApiKey, KeyEvent, LanguageModel, Provider
from providers.rules.secret import Secret
from providers.services import key_create, key_secret_replace, key_test, keys_sync_environment
from tests.factories import make_domain, make_model, make_prompt_version, make_provider, make_run
from tests.providers.http_server import http_answer, raw_server
from tests.secret_hunt import admin_pages_with, api_answers_with, redis_keys_with, rows_with
from tests.stub_provider import Answer, Call, StubProvider, stub_provider

pytestmark = pytest.mark.django_db(transaction=True)
MARK = "Zq7planted"  # of no pattern by which keys are known


def plain(kind: str) -> str:
    """Return the key of a provider of this kind; its last four characters, which may be shown, hold no mark."""
    return f"{MARK}.{kind}.0123456789"


def error(status: int, code: str = "") -> Callable[[Call], Answer]:
    """Return an error whose message, code and headers quote the key."""

    def answer(call: Call) -> Answer:
        body = {"error": {"message": f"Your key {call.key} is bad", "code": code or f"bad {call.key}"}}
        return Answer(status=status, body=body, headers={"x-request-id": call.key, "x-debug": call.key})

    return answer


def answered(call: Call) -> Answer:
    """Return an answer that quotes the key wherever it can."""
    cited = {"url": f"https://x.example/{call.key}", "title": call.key}
    message = {
        "role": "assistant", "content": f"You sent {call.key}.",
        "annotations": [{"type": "url_citation", "url_citation": cited}],
    }  # fmt: skip
    body = {
        "id": call.key, "model": call.key, "system_fingerprint": call.key, "usage": {"prompt_tokens": 3},
        "choices": [{"index": 0, "finish_reason": call.key, "message": message}], "citations": [call.key],
    }  # fmt: skip
    return Answer(body=body, headers={"x-request-id": call.key, "openai-organization": call.key})


@dataclass
class Elsewhere:
    """The server that a redirect leads to."""

    url: str = ""


ELSEWHERE = Elsewhere()
KINDS: dict[str, Callable[[Call], Answer]] = {
    "answered": answered,
    "401": error(401, "invalid_api_key"),
    "402": error(402),
    "403": error(403),
    "404": error(404, "model_not_found"),
    "400": error(400),
    "429": error(429, "insufficient_quota"),
    "500": error(500),
    "long": lambda call: Answer(status=400, body={"error": {"message": f"{'no ' * 95}{call.key}"}}),
    "html": lambda call: Answer(status=502, body=f"<html><title>{call.key}</title>{call.key}</html>"),
    "notjson": lambda call: Answer(body=f"{{{call.key}"),
    "redirect": lambda call: Answer(
        status=307, body="{}", headers={"Location": f"{ELSEWHERE.url}/v1/chat/completions?key={call.key}"}
    ),
    "environment": answered,
}


@pytest.fixture
def stub() -> Iterator[StubProvider]:
    """A provider that treats each key after its kind, and the host that it redirects to."""
    with (
        stub_provider() as elsewhere,
        stub_provider(lambda call, _n: KINDS[call.key.split(".")[1]](call)) as stub,
    ):
        ELSEWHERE.url = elsewhere.url
        yield stub
        assert elsewhere.calls == []


class Lines(logging.Handler):
    """Keeps every line that is logged, with its traceback."""

    def __init__(self) -> None:
        super().__init__(logging.DEBUG)
        self.lines: list[str] = []

    def emit(self, record: logging.LogRecord) -> None:
        self.lines.append(self.format(record))


@pytest.fixture
def logged() -> Iterator[list[str]]:
    """All that is logged from here on, whatever its level."""
    root, handler = logging.getLogger(), Lines()
    level = root.level
    root.addHandler(handler)
    root.setLevel(logging.DEBUG)
    yield handler.lines
    root.removeHandler(handler)
    root.setLevel(level)


@pytest.fixture
def planted_run(stub: StubProvider, settings: Any, logged: list[str]) -> Run:
    """A run that every kind of provider has answered in its way, with all that is logged."""
    settings.RETRY_LIMIT = 1
    settings.PROVIDER_SETTINGS = {
        "HUNT": ProviderSettings(keys={"HUNT_API_KEY": Secret(plain("environment"))})
    }
    models = [_plant(kind, stub.url) for kind in KINDS]
    keys_sync_environment()
    run = make_run(
        domains=(make_domain("nike.com"),), versions=(make_prompt_version(),), models=tuple(models)
    )
    asyncio.run(asyncio.wait_for(DrainLoop(DrainPlan(id=uuid.uuid4(), queue="default")).run(), 90))
    assert {call.key.split(".")[1] for call in stub.calls} == set(KINDS)
    assert all(MARK not in json.dumps(call.body) for call in stub.calls)
    return run


def _plant(kind: str, url: str) -> LanguageModel:
    is_environment = kind == "environment"
    provider = make_provider(f"hunt-{kind}", base_url=url, env_prefix="HUNT" if is_environment else "")
    if not is_environment:
        key_create(provider=provider, secret=Secret(plain(kind)), label=kind, actor="ann")
    return make_model(provider=provider)


def test_no_row_log_line_redis_key_or_print_holds_a_key(
    planted_run: Run, logged: list[str], redis_url: str, settings: Any
) -> None:
    outcomes = set(Attempt.objects.filter(question__run=planted_run).values_list("outcome", flat=True))
    facts = lanes_for(LanguageModel.objects.values_list("pk", flat=True))

    assert {
        "answered",
        "key_invalid",
        "permission",
        "quota_exhausted",
        "model_unknown",
        "bad_request",
    } <= outcomes
    assert {"overloaded", "malformed"} <= outcomes
    assert KeyEvent.objects.filter(to_state="invalid").exists()
    assert rows_with(MARK) == []
    assert redis_keys_with(MARK, redis_url) == []
    assert logged
    assert [line for line in logged if MARK in line] == []
    assert any(pool.keys for lane in facts.values() for pool in lane.pools)
    assert MARK not in repr(facts)
    assert MARK not in repr(settings.PROVIDER_SETTINGS)


def test_no_api_answer_or_admin_page_holds_a_key(
    planted_run: Run, api_client: APIClient, superuser_client: Client, logged: list[str]
) -> None:
    values: dict[str, list[Any]] = {
        "runs/": [planted_run.pk],
        "domains/": [*Domain.objects.values_list("pk", flat=True), "nike.com"],
        "providers/": list(Provider.objects.values_list("name", flat=True)),
        "models/": list(LanguageModel.objects.values_list("pk", flat=True)),
        "api-keys/": list(ApiKey.objects.values_list("pk", flat=True)),
    }

    answers, n_answers = api_answers_with(MARK, api_client, values)
    pages, n_pages = admin_pages_with(
        MARK, superuser_client, apps_shown=("processing", "providers", "domainsite")
    )

    assert (answers, pages) == ([], [])
    assert n_answers > 20
    assert n_pages > 100
    assert [line for line in logged if MARK in line] == []


@pytest.mark.parametrize("kind", ["401", "html", "redirect"])
def test_key_test_quotes_no_key(kind: str, logged: list[str]) -> None:
    secret = plain(kind)
    said = json.dumps({"error": {"message": secret}}).encode()
    answers = {
        "401": http_answer(said, status="401 No", headers=f"x-key: {secret}\r\n"),
        "html": http_answer(f"<html>{secret}</html>".encode(), status="502 Bad Gateway"),
        "redirect": http_answer(b"", status="302 Found", headers=f"Location: http://127.0.0.1:1/{secret}\r\n"),
    }  # fmt: skip
    check = {"method": "GET", "path": "/models", "ok": [200], "bad_key": [401]}
    with raw_server(answers[kind]) as server:
        provider = make_provider(base_url=server.url, key_check=check)
        key = key_create(provider=provider, secret=Secret(secret), actor="ann")
        result = key_test(key=key, actor="ann")

    assert MARK.encode() in server.requests[0].partition(b"\r\n")[2]  # in a header,
    assert MARK.encode() not in server.requests[0].partition(b"\r\n")[0]  # not in the address
    assert MARK not in repr(result)
    assert rows_with(MARK) == []
    assert [line for line in logged if MARK in line] == []


def test_exceptions_quote_no_key() -> None:
    provider = make_provider()
    key = key_create(provider=provider, secret=Secret(plain("first")), actor="ann")
    tries: list[Callable[[], object]] = [
        lambda: key_create(provider=provider, secret=Secret(plain("first")), actor="ann"),
        lambda: key_create(provider=provider, secret=Secret(f"{MARK} two words"), actor="ann"),
        lambda: key_secret_replace(key=key, secret=Secret(f"{MARK}\n"), actor="ann"),
    ]

    for attempt in tries:
        with pytest.raises(ApplicationError) as caught:
            attempt()
        assert MARK not in f"{caught.value} {caught.value!r} {caught.value.fields} {caught.value.extra}"


def test_report_of_an_error_holds_no_key(
    superuser_client: Client, monkeypatch: pytest.MonkeyPatch, logged: list[str]
) -> None:
    """Let the form fail after the key was entered, and read what Django would mail or log."""
    reports: list[str] = []

    def report(sender: object, request: Any, **_facts: Any) -> None:
        reporter = ExceptionReporter(request, *sys.exc_info())
        reports.extend([reporter.get_traceback_text(), reporter.get_traceback_html()])

    def fail(*_args: object, **_options: object) -> None:
        raise RuntimeError("the disk is full")

    monkeypatch.setattr(KeyEvent.objects, "create", fail)
    superuser_client.raise_request_exception = False
    data = {"provider": make_provider().pk, "label": "main", "secret": plain("typed"), "pool": ""}
    got_request_exception.connect(report)
    try:
        response = superuser_client.post(reverse("admin:providers_apikey_add"), data)
    finally:
        got_request_exception.disconnect(report)

    assert response.status_code == 500
    assert len(reports) == 2
    assert "the disk is full" in reports[0]
    assert [report for report in reports if MARK in report] == []
    assert MARK not in response.content.decode()
    assert [line for line in logged if MARK in line] == []
