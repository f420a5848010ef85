"""A provider on a real socket for tests: speaks the chat completions format and answers as told, call by call.

It logs every call, so a test can compare what was recorded with what really reached a provider.
"""

import asyncio
import json
import threading
import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from dataclasses import dataclass, field
from typing import Any

from aiohttp import web


@dataclass
class Call:
    """One call as it arrived."""

    at: float
    key: str
    prompt: str
    body: dict[str, Any]


@dataclass
class Answer:
    """What to answer: a JSON body, or raw text; `delay_s` first."""

    text: str | None = "An answer."
    status: int = 200
    delay_s: float = 0.0
    body: Any = None
    headers: dict[str, str] = field(default_factory=dict)
    finish_reason: str = "stop"


class StubProvider:
    """Runs an HTTP server in a thread; `script(call, number)` decides each answer."""

    def __init__(self, script: Callable[[Call, int], Answer]) -> None:
        self.script = script
        self.calls: list[Call] = []
        self.url = ""
        self._loop = asyncio.new_event_loop()
        self._thread = threading.Thread(target=self._serve, daemon=True)
        self._ready = threading.Event()

    def start(self) -> None:
        """Listen on a free port."""
        self._thread.start()
        assert self._ready.wait(10), "the stub provider did not start"

    def stop(self) -> None:
        """Stop listening."""
        self._loop.call_soon_threadsafe(self._loop.stop)
        self._thread.join(10)

    def _serve(self) -> None:
        asyncio.set_event_loop(self._loop)
        self._loop.run_until_complete(self._open())
        self._ready.set()
        self._loop.run_forever()
        self._loop.run_until_complete(self._runner.cleanup())
        self._loop.close()

    async def _open(self) -> None:
        app = web.Application()
        app.router.add_post("/v1/chat/completions", self._answer)
        self._runner = web.AppRunner(app, access_log=None, shutdown_timeout=0.1)
        await self._runner.setup()
        site = web.TCPSite(self._runner, "127.0.0.1", 0)
        await site.start()
        self.url = f"http://127.0.0.1:{self._runner.addresses[0][1]}"

    async def _answer(self, request: web.Request) -> web.Response:
        body = await request.json()
        key = request.headers.get("Authorization", "").removeprefix("Bearer ")
        call = Call(time.time(), key, body["messages"][-1]["content"], body)
        self.calls.append(call)
        answer = self.script(call, len(self.calls))
        if answer.delay_s:
            await asyncio.sleep(answer.delay_s)
        content = answer.body if answer.body is not None else _completion(answer, body["model"])
        text = content if isinstance(content, str) else json.dumps(content)
        return web.Response(
            text=text, status=answer.status, headers=answer.headers, content_type="application/json"
        )


def _completion(answer: Answer, model: str) -> dict[str, Any]:
    return {
        "id": "chatcmpl-1",
        "object": "chat.completion",
        "model": f"{model}-2026",
        "choices": [
            {
                "index": 0,
                "finish_reason": answer.finish_reason,
                "message": {"role": "assistant", "content": answer.text},
            }
        ],
        "usage": {"prompt_tokens": 12, "completion_tokens": 5, "total_tokens": 17},
    }


@contextmanager
def stub_provider(script: Callable[[Call, int], Answer] | None = None) -> Iterator[StubProvider]:
    """Serve for the length of a `with` block; without a script every call is answered."""
    stub = StubProvider(script or (lambda call, number: Answer()))
    stub.start()
    try:
        yield stub
    finally:
        stub.stop()
