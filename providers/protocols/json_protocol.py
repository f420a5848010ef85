"""What the JSON formats have in common: how a request is put together, and what is done before an answer is read.

A format says only what its question looks like and how a good answer is read. How errors are understood stands
in `rules/`; what single providers do otherwise comes as data (`Target.request_options`, `Target.quirks`).
"""

import json
from abc import ABC, abstractmethod
from collections.abc import Mapping
from dataclasses import dataclass, replace
from typing import Any

from providers.protocols.answer_fields import cost_at, first_object
from providers.protocols.base import Ask, Failure, HttpRequest, Outcome, Reply, Target
from providers.protocols.headers import request_headers
from providers.protocols.request_fields import chat_url, merged, plain_name, put, without
from providers.rules.classify import failure_for
from providers.rules.error_bodies import ErrorFacts, error_facts, facts_of_json, json_body
from providers.rules.output_cap import output_cap
from providers.rules.redact import redact
from providers.rules.secret import Secret
from providers.rules.text import clean_text

_REQUEST_ID_HEADERS = ("x-request-id", "request-id", "x-generation-id", "x-debug-trace-id", "cf-ray")


@dataclass(frozen=True, slots=True)
class Answer:
    """A decoded answer with a good status, and what stood around it."""

    decoded: dict[str, Any]
    target: Target
    status: int
    request_id: str

    def reply(
        self, outcome: Outcome, text: str | None, *, finish_reason: str, model: object, **said: Any
    ) -> Reply:
        """Return the reply that says this; `said` are token counts and citations."""
        return Reply(
            outcome=outcome,
            text=text,
            finish_reason=finish_reason,
            served_model=clean_text(model, max_length=200),
            cost_usd=cost_at(self.decoded, self.target.quirks),
            request_id=clean_text(self.decoded.get("id"), max_length=120) or self.request_id,
            http_status=self.status,
            **said,
        )

    def gave_up(self, reason: str) -> Failure:
        """Return the failure of a server that stopped in the middle: it may be asked again."""
        return self._failure(Outcome.OVERLOADED, f"the server gave up: {reason}", code=reason)

    def malformed(self, message: str) -> Failure:
        """Return the failure of an answer that is not what the format says."""
        return self._failure(Outcome.MALFORMED, message)

    def _failure(self, outcome: Outcome, message: str, *, code: str = "") -> Failure:
        return Failure(
            outcome, redact(message), http_status=self.status, code=code, request_id=self.request_id
        )


class JsonProtocol(ABC):
    """A wire format of JSON over POST.

    `cap_fields`: other names of the output cap, tried when the model has refused the provider's usual one.
    `required_fields`: what the format cannot do without, so that it is never left out.
    """

    cap_fields: tuple[str, ...] = ()
    temperature_field = "temperature"
    required_fields: frozenset[str] = frozenset()

    @abstractmethod
    def question(self, ask: Ask, target: Target) -> dict[str, Any]:
        """Return the body that asks, without options, temperature and output cap."""

    @abstractmethod
    def read(self, answer: Answer) -> Reply | Failure:
        """Return what a good answer says; its fields may be missing, null or of another type."""

    def build(self, ask: Ask, target: Target, secret: Secret | None) -> HttpRequest:
        """Return the request that asks `ask` of `target`."""
        headers = request_headers(auth_style=target.auth_style, secret=secret, extra=target.extra_headers)
        return HttpRequest(
            method="POST",
            url=chat_url(target),
            headers={**headers, "Content-Type": "application/json"},
            body=json.dumps(self._body(ask, target), ensure_ascii=True, separators=(",", ":")).encode(),
            timeout_s=target.timeout_s,
        )

    def parse(self, target: Target, status: int, headers: dict[str, str], body: bytes) -> Reply | Failure:
        """Return what an HTTP answer means; header names come in lower case. Never raises on bad input."""
        request_id = _request_id(headers)
        if not 200 <= status < 300:
            return self._failure(target, status, headers, error_facts(body), request_id)
        try:
            decoded = json_body(body)
        except ValueError:
            message = f"not JSON: {error_facts(body).message}"
            return Answer({}, target, status, request_id).malformed(message)
        if error := self.error_within(decoded):
            status = _status_within(error, status)
            return self._failure(target, status, headers, facts_of_json(error), request_id)
        answer = Answer(decoded if isinstance(decoded, dict) else {}, target, status, request_id)
        return self.read(answer) if answer.decoded else answer.malformed("JSON without an answer")

    def error_within(self, decoded: Any) -> dict[str, Any] | None:
        """Return the error that a body with a good status carries, None when it carries none."""
        found = first_object(decoded) if isinstance(decoded, list) else decoded
        is_error = isinstance(found, dict) and (found.get("error") or found.get("object") == "error")
        return found if is_error else None

    def _body(self, ask: Ask, target: Target) -> dict[str, Any]:
        body = merged(self.question(ask, target), target.request_options)
        if ask.temperature is not None and target.accepts_temperature:
            put(body, self.temperature_field, ask.temperature)
        refused = frozenset(map(plain_name, target.refused_fields)) - self._required_names()
        if refused:
            body = without(body, refused)
        names = (target.output_cap_field, *self.cap_fields)
        if cap_field := next((name for name in names if plain_name(name) not in refused), ""):
            put(body, cap_field, output_cap(target, ask.max_output_tokens))
        return body

    def _failure(
        self, target: Target, status: int, headers: dict[str, str], facts: ErrorFacts, request_id: str
    ) -> Failure:
        failure = failure_for(
            status=status, facts=facts, headers=headers, quirks=target.quirks, request_id=request_id
        )
        is_needed = failure.refused_field and plain_name(failure.refused_field) in self._required_names()
        return replace(failure, refused_field="") if is_needed else failure

    def _required_names(self) -> frozenset[str]:
        return frozenset(map(plain_name, self.required_fields))


def ended(finish_reason: str, text: str | None, meaning: Mapping[str, Outcome]) -> Outcome:
    """Return how an answer ended by its finish reason and text; `meaning` holds the reasons that are no plain end.

    Cut off before the first word is empty: asked again with more room. An unknown reason with text is an answer.
    """
    outcome = meaning.get(finish_reason, Outcome.ANSWERED)
    return Outcome.EMPTY if text is None and outcome in (Outcome.ANSWERED, Outcome.TRUNCATED) else outcome


def _request_id(headers: dict[str, str]) -> str:
    found = next((headers[name] for name in _REQUEST_ID_HEADERS if headers.get(name)), "")
    return clean_text(found, max_length=120)


def _status_within(error: dict[str, Any], status: int) -> int:
    """Return the status that the error itself names, else the one of the answer."""
    inner = error["error"] if isinstance(error.get("error"), dict) else error
    code = inner.get("code")
    return code if isinstance(code, int) and 400 <= code < 600 else status
