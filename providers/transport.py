"""Carries requests over HTTP: `AioTransport` for the hundreds of calls of a drain, `send_once` for single ones.

Neither follows a redirect (a key must not travel to another host), reads proxies or passwords from the
environment, or takes more than `MAX_BODY_BYTES`. What an answer means is the protocol's business.
"""

import time
from dataclasses import dataclass
from types import TracebackType
from typing import Self

import aiohttp
import requests
from urllib3.exceptions import HTTPError, ProtocolError, ReadTimeoutError

from providers.protocols.base import Failure, HttpRequest, Outcome
from providers.rules.redact import redact

CONNECT_TIMEOUT_S = 10.0
MAX_BODY_BYTES = 10 * 1024 * 1024
_CHUNK_BYTES = 65_536


@dataclass(frozen=True, slots=True)
class HttpResponse:
    """An answer with header names in lower case; `latency_ms` runs from the send to the last byte."""

    status: int
    headers: dict[str, str]
    body: bytes
    latency_ms: int


class AioTransport:
    """One connection pool on the running event loop; use it as an async context manager.

    How many calls run at once is decided by the limits before a call is sent, so the pool has no limit of its own.
    """

    _session: aiohttp.ClientSession

    async def __aenter__(self) -> Self:
        self._session = aiohttp.ClientSession(
            connector=aiohttp.TCPConnector(limit=0, ttl_dns_cache=300, keepalive_timeout=30),
            cookie_jar=aiohttp.DummyCookieJar(),
            trust_env=False,
        )
        return self

    async def __aexit__(
        self, _type: type[BaseException] | None, _error: BaseException | None, _trace: TracebackType | None
    ) -> None:
        await self._session.close()

    async def send(self, request: HttpRequest) -> HttpResponse | Failure:
        """Return the answer, or a failure when none came: timeout, connection or malformed."""
        started = time.perf_counter()
        try:
            async with self._session.request(
                request.method,
                request.url,
                headers=request.headers,
                data=request.body,
                allow_redirects=False,
                timeout=aiohttp.ClientTimeout(total=request.timeout_s, sock_connect=CONNECT_TIMEOUT_S),
            ) as response:
                if 300 <= response.status < 400:
                    return _redirect(response.status)
                body = await _read_capped(response)
                headers = {name.lower(): value for name, value in response.headers.items()}
                status = response.status
        except TimeoutError:
            return _timeout(request)
        except (aiohttp.ClientError, OSError, ValueError) as error:
            return _no_answer(error)
        return _too_large() if body is None else HttpResponse(status, headers, body, _since_ms(started))


def send_once(request: HttpRequest) -> HttpResponse | Failure:
    """Send a single call from ordinary code, within `request.timeout_s` in all."""
    started = time.perf_counter()
    read_timeout_s = min(request.timeout_s, 30.0)
    with requests.Session() as session:
        session.trust_env = False
        try:
            with session.request(
                request.method,
                request.url,
                headers=request.headers,
                data=request.body,
                allow_redirects=False,
                stream=True,
                timeout=(min(CONNECT_TIMEOUT_S, request.timeout_s), read_timeout_s),
            ) as response:
                if 300 <= response.status_code < 400:
                    return _redirect(response.status_code)
                body = _read_once(response, deadline=started + request.timeout_s)
                headers = {name.lower(): value for name, value in response.headers.items()}
                status = response.status_code
        except (requests.Timeout, ReadTimeoutError, TimeoutError):
            return _timeout(request)
        except (requests.RequestException, HTTPError, OSError, ValueError) as error:
            return _no_answer(error)
    return _too_large() if body is None else HttpResponse(status, headers, body, _since_ms(started))


async def _read_capped(response: aiohttp.ClientResponse) -> bytes | None:
    """Return the body, None when it is larger than we take (unpacked: a small one may unpack to gigabytes)."""
    chunks, n_bytes = [], 0
    async for chunk in response.content.iter_any():
        chunks.append(chunk)
        n_bytes += len(chunk)
        if n_bytes > MAX_BODY_BYTES:
            response.close()
            return None
    return chunks[0] if len(chunks) == 1 else b"".join(chunks)


def _read_once(response: requests.Response, *, deadline: float) -> bytes | None:
    """Return the body as it comes in, so that a server that drips bytes cannot outlast the deadline."""
    body = bytearray()
    while chunk := response.raw.read1(_CHUNK_BYTES, decode_content=True):
        body += chunk
        if len(body) > MAX_BODY_BYTES:
            return None
        if time.perf_counter() > deadline:
            raise TimeoutError
    return bytes(body)


def _since_ms(started: float) -> int:
    return round((time.perf_counter() - started) * 1000)


def _timeout(request: HttpRequest) -> Failure:
    return Failure(Outcome.TIMEOUT, f"no answer within {request.timeout_s:g} s")


def _no_answer(error: Exception) -> Failure:
    if isinstance(error, aiohttp.ClientPayloadError | ProtocolError):
        return Failure(Outcome.CONNECTION, "the connection was cut within the answer")
    return Failure(Outcome.CONNECTION, redact(f"{type(error).__name__}: {error}"))


def _redirect(status: int) -> Failure:
    return Failure(
        Outcome.MALFORMED, f"redirected ({status}); redirects are not followed", http_status=status
    )


def _too_large() -> Failure:
    return Failure(Outcome.MALFORMED, f"the answer is larger than {MAX_BODY_BYTES // 1024 // 1024} MB")
