"""Both transports against real sockets: whatever a server does, there is an answer or a typed failure in time."""

import asyncio
import gzip
import time
from collections.abc import Callable
from typing import Any

import pytest

from providers import transport
from providers.protocols.base import Failure, HttpRequest, Outcome
from providers.transport import AioTransport, HttpResponse, send_once
from tests.providers.http_server import http_answer, raw_server

Send = Callable[[HttpRequest], HttpResponse | Failure]


def send_async(request: HttpRequest) -> HttpResponse | Failure:
    """Send one request over the drain's transport."""

    async def main() -> HttpResponse | Failure:
        async with AioTransport() as carrier:
            return await carrier.send(request)

    return asyncio.run(main())


@pytest.fixture(params=[send_async, send_once], ids=["aiohttp", "requests"])
def send(request: Any) -> Send:
    """Either transport."""
    chosen: Send = request.param
    return chosen


def post(url: str, *, timeout_s: float = 5.0) -> HttpRequest:
    """Make a request with a key."""
    headers = {"Authorization": "Bearer sk-0123456789", "Content-Type": "application/json"}
    return HttpRequest("POST", f"{url}/chat", headers=headers, body=b'{"a":1}', timeout_s=timeout_s)


def failed(result: HttpResponse | Failure) -> Outcome:
    """Return the outcome of a failure."""
    assert isinstance(result, Failure), result
    assert "sk-0123456789" not in result.message
    return result.outcome


def test_answer(send: Send) -> None:
    with raw_server(http_answer(b'{"ok":1}', status="429 Too Many", headers="Retry-After: 3\r\n")) as server:
        result = send(post(server.url))

    assert isinstance(result, HttpResponse)
    assert (result.status, result.body, result.headers["retry-after"]) == (429, b'{"ok":1}', "3")
    assert b"Bearer sk-0123456789" in server.requests[0]
    assert b"POST /chat HTTP/1.1" in server.requests[0]


def test_nobody_listens(send: Send) -> None:
    assert failed(send(post("http://127.0.0.1:9"))) is Outcome.CONNECTION


def test_no_such_host(send: Send) -> None:
    assert failed(send(post("http://host.invalid"))) is Outcome.CONNECTION


def test_slow_first_byte(send: Send) -> None:
    with raw_server(http_answer(b"{}"), delay_s=10) as server:
        started = time.perf_counter()
        result = send(post(server.url, timeout_s=0.5))

    assert failed(result) is Outcome.TIMEOUT
    assert time.perf_counter() - started < 3


def test_endless_drip_ends_at_the_total_timeout(send: Send) -> None:
    with raw_server(http_answer(b"x" * 1_000_000), drip_s=0.02) as server:
        started = time.perf_counter()
        result = send(post(server.url, timeout_s=1.0))

    assert failed(result) is Outcome.TIMEOUT
    assert time.perf_counter() - started < 6


def test_body_cut_off(send: Send) -> None:
    with raw_server(http_answer(b"x" * 500)[:-100]) as server:
        assert failed(send(post(server.url))) is Outcome.CONNECTION


def test_closed_without_a_word(send: Send) -> None:
    with raw_server(b"") as server:
        assert failed(send(post(server.url))) is Outcome.CONNECTION


def test_not_http(send: Send) -> None:
    with raw_server(b"hello there\r\n\r\n") as server:
        assert failed(send(post(server.url))) in (Outcome.CONNECTION, Outcome.MALFORMED)


def test_redirect_to_another_host_is_refused(send: Send) -> None:
    with raw_server(http_answer(b"{}")) as other:
        location = f"Location: {other.url}/steal\r\n"
        with raw_server(http_answer(b"", status="307 Temporary Redirect", headers=location)) as server:
            result = send(post(server.url))

    assert failed(result) is Outcome.MALFORMED
    assert other.requests == []


def test_oversized_body(send: Send, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(transport, "MAX_BODY_BYTES", 100_000)
    with raw_server(http_answer(b"x" * 200_000)) as server:
        assert failed(send(post(server.url))) is Outcome.MALFORMED


def test_body_that_unpacks_to_more_than_we_take(send: Send, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(transport, "MAX_BODY_BYTES", 100_000)
    bomb = gzip.compress(b"0" * 5_000_000)
    with raw_server(http_answer(bomb, headers="Content-Encoding: gzip\r\n")) as server:
        assert failed(send(post(server.url))) is Outcome.MALFORMED


def test_environment_proxy_is_not_used(send: Send, monkeypatch: pytest.MonkeyPatch) -> None:
    for name in ("HTTP_PROXY", "http_proxy", "ALL_PROXY"):
        monkeypatch.setenv(name, "http://127.0.0.1:9")
    with raw_server(http_answer(b"{}")) as server:
        assert isinstance(send(post(server.url)), HttpResponse)


def test_unsendable_header_is_a_failure(send: Send) -> None:
    request = HttpRequest("GET", "http://127.0.0.1:9", headers={"x": "a\r\nb: c"})

    assert isinstance(send(request), Failure)


def test_calls_run_at_once() -> None:
    async def main(url: str) -> list[HttpResponse | Failure]:
        async with AioTransport() as carrier:
            return await asyncio.gather(*(carrier.send(post(url)) for _ in range(20)))

    with raw_server(http_answer(b"{}"), delay_s=0.5) as server:
        started = time.perf_counter()
        results = asyncio.run(main(server.url))

    assert all(isinstance(result, HttpResponse) for result in results)
    assert time.perf_counter() - started < 3
