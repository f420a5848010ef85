"""Proves a key by the cheapest call that its provider offers, as the catalogue's `key_check` says.

A passing check proves that the key is known, not that there is credit. The call goes to the provider's own host.
"""

from dataclasses import dataclass

from django.views.decorators.debug import sensitive_variables

from providers.discovery import model_discover
from providers.errors import Unreadable, WrongKeyState
from providers.models import ApiKey, Provider
from providers.protocols.answer_fields import at_path
from providers.protocols.base import Failure, HttpRequest, Outcome
from providers.protocols.headers import request_headers
from providers.rules.classify import outcome_for
from providers.rules.error_bodies import error_facts, json_body
from providers.rules.redact import redact
from providers.rules.secret import Secret
from providers.rules.urls import base_url_for, url_below
from providers.secrets import secret_of
from providers.services.key_states import IN_SERVICE, key_note, key_transition, key_unreadable_note
from providers.transport import HttpResponse, send_once

TIMEOUT_S = 15.0


@dataclass(frozen=True, slots=True)
class KeyTestResult:
    """`is_ok` None: the call proved nothing (no answer, or an unclear one). `message` is for people."""

    is_ok: bool | None
    message: str
    http_status: int | None = None
    latency_ms: int | None = None


@sensitive_variables()
def key_test(*, key: ApiKey, actor: str) -> KeyTestResult:
    """Call the provider once with the key and draw the consequences: a proven key is in service, a refused one not.

    Raises WrongKeyState when the provider has no call that proves a key.
    """
    if not key.provider.key_check:
        raise WrongKeyState(f"{key.provider.label} has no call that proves a key.")
    result = key_check(key)
    _note(key, result, actor=actor)
    return result


@sensitive_variables()
def key_check(key: ApiKey) -> KeyTestResult:
    """Call the provider once with the key and say what that proved; only an unreadable key changes its state."""
    provider = key.provider
    try:
        secret = secret_of(key)
    except Unreadable as error:
        key_unreadable_note(key_id=key.pk, cause=str(error))
        return KeyTestResult(is_ok=None, message=str(error))
    answer = send_once(check_request(provider, secret))
    if isinstance(answer, Failure):
        return KeyTestResult(is_ok=None, message=redact(answer.message, secrets=_known(secret)))
    result = _result(provider, answer, secret)
    if result.is_ok and not provider.needs_key:
        model_discover(provider=provider, secret=secret)
    return result


@sensitive_variables()
def check_request(provider: Provider, secret: Secret | None) -> HttpRequest:
    """Return the request of a provider's `key_check`."""
    base_url = base_url_for(provider.base_url, provider.quirks)
    method = provider.key_check.get("method", "GET")
    return HttpRequest(
        method=method,
        url=url_below(base_url, provider.key_check["path"]),
        headers=request_headers(auth_style=provider.auth_style, secret=secret, extra=provider.extra_headers),
        body=None if method == "GET" else b"",
        timeout_s=TIMEOUT_S,
    )


def _result(provider: Provider, answer: HttpResponse, secret: Secret | None) -> KeyTestResult:
    facts = error_facts(answer.body)
    said = {"http_status": answer.status, "latency_ms": answer.latency_ms}
    if answer.status in provider.key_check.get("ok", [200]):
        if _is_confirmed(provider, answer):
            return KeyTestResult(True, "The provider knows this key.", **said)
        return KeyTestResult(False, "The provider says that the key is not valid.", **said)
    message = redact(f"HTTP {answer.status}: {facts.message}", secrets=_known(secret))
    outcome = outcome_for(status=answer.status, facts=facts, quirks=provider.quirks)
    if outcome is Outcome.QUOTA_EXHAUSTED:
        return KeyTestResult(None, f"The key is known, but has no credit or quota. {message}", **said)
    is_refused = outcome is Outcome.KEY_INVALID or answer.status in provider.key_check.get("bad_key", [401])
    return KeyTestResult(False if is_refused else None, message, **said)


def _is_confirmed(provider: Provider, answer: HttpResponse) -> bool:
    """Return whether the body confirms the key, for providers that answer 200 to any."""
    field = provider.key_check.get("body_field")
    if not field:
        return True
    try:
        return at_path(json_body(answer.body), field) is True
    except ValueError:
        return False


def _note(key: ApiKey, result: KeyTestResult, *, actor: str) -> None:
    """Bring the key's row to what was proven; a key that staff disabled stays disabled."""
    if result.is_ok is False:
        key_note(key_id=key.pk, outcome=Outcome.KEY_INVALID, message=result.message, actor=actor)
    if result.is_ok:
        out_of_service = (*IN_SERVICE, ApiKey.State.INVALID, ApiKey.State.UNREADABLE)
        key_transition(
            key_id=key.pk, to_state=ApiKey.State.ACTIVE, cause="a test call proved it", actor=actor,
            only_from=[state for state in out_of_service if state != ApiKey.State.EXHAUSTED],
        )  # fmt: skip


def _known(secret: Secret | None) -> list[Secret]:
    return [] if secret is None else [secret]
