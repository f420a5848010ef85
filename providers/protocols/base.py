"""The vocabulary that every protocol speaks: what is asked, what is sent, what came back.

Pure values and one interface: no I/O and no Django, so recorded bodies test a protocol and any transport
can carry it. What a wire format looks like stands in the module of that protocol.
"""

from dataclasses import dataclass, field
from datetime import date
from decimal import Decimal
from enum import StrEnum
from typing import Any, Protocol

from providers.rules.secret import Secret


class Outcome(StrEnum):
    """How one call ended. What follows from each stands in `processing.rules.outcomes`."""

    ANSWERED = "answered"
    TRUNCATED = "truncated"
    REFUSED = "refused"
    BLOCKED = "blocked"
    EMPTY = "empty"
    RATE_LIMITED = "rate_limited"
    OVERLOADED = "overloaded"
    TIMEOUT = "timeout"
    CONNECTION = "connection"
    MALFORMED = "malformed"
    KEY_INVALID = "key_invalid"
    PERMISSION = "permission"
    QUOTA_EXHAUSTED = "quota_exhausted"
    MODEL_UNKNOWN = "model_unknown"
    BAD_REQUEST = "bad_request"
    TOO_LONG = "too_long"
    LOST = "lost"
    EXPIRED = "expired"
    POISON = "poison"


@dataclass(frozen=True, slots=True)
class Ask:
    """One rendered question. `temperature` None: leave it out."""

    text: str
    max_output_tokens: int
    system_text: str = ""
    temperature: float | None = None


@dataclass(frozen=True, slots=True)
class DatedPrice:
    """What staff entered: USD per million tokens from a day on; `cached_usd` None: as other input."""

    valid_from: date
    input_usd: Decimal
    output_usd: Decimal
    cached_usd: Decimal | None = None


@dataclass(frozen=True, slots=True)
class Target:
    """Who is asked, as data: what a protocol needs of a provider and its model to build a request.

    `quirks` says what a provider does otherwise; these are known (a test holds the list to the catalogue):

    - errors: `credit_markers` (words that mean "no credit"), `quota_fields` (names in a 403 that mean the same),
      `retryable_codes` (codes to wait out though the status says otherwise), `status_outcomes` (what a status
      means here, when neither codes nor words say it)
    - waits and limits: `daily_quota_markers` (words that mean a quota per day), `daily_reset_zone` (the time zone
      at whose midnight it begins anew), `request_limit_per_s` (the window in seconds of `x-ratelimit-*-requests`)
    - answers: `cached_path`, `cost_path` (where they stand, as dotted paths), `cost_divisor` (units of cost in a
      USD), `reasoning_outside_output` (reasoning tokens are billed beside the output tokens), `has_think_tags`
      (thinking may end in the text without having begun there)
    - requests: `thinking_room_tokens` (by model: added to the output cap where thinking cannot be turned off)
    - address: `default_version_path` (added to a base URL without a path)
    """

    provider: str
    protocol: str
    base_url: str
    chat_path: str
    auth_style: str
    model: str
    output_cap_field: str
    timeout_s: float
    extra_headers: dict[str, str] = field(default_factory=dict)
    request_options: dict[str, Any] = field(default_factory=dict)
    accepts_temperature: bool = False
    max_output_tokens: int | None = None
    refused_fields: tuple[str, ...] = ()
    quirks: dict[str, Any] = field(default_factory=dict)
    price_provider: str = ""
    price_model: str = ""
    input_usd_per_mtok: Decimal | None = None
    output_usd_per_mtok: Decimal | None = None
    simulated: bool = False
    dated_prices: tuple[DatedPrice, ...] = ()


@dataclass(frozen=True, slots=True)
class HttpRequest:
    """What a transport sends. Headers hold the key: never log them."""

    method: str
    url: str
    headers: dict[str, str]
    body: bytes | None = None
    timeout_s: float = 60.0

    def __repr__(self) -> str:
        return f"HttpRequest({self.method} {self.url})"


@dataclass(frozen=True, slots=True)
class Reply:
    """What a provider said, with outcome answered, truncated, refused, blocked or empty.

    `text` is None when there is none, never "". Token counts are None when the provider did not say.
    `output_tokens` include reasoning; `cost_usd` is set only when the provider itself reports it.
    """

    outcome: Outcome
    text: str | None = None
    served_model: str = ""
    finish_reason: str = ""
    input_tokens: int | None = None
    output_tokens: int | None = None
    reasoning_tokens: int | None = None
    cached_tokens: int | None = None
    cost_usd: Decimal | None = None
    citations: list[dict[str, str]] | None = None
    request_id: str = ""
    http_status: int | None = None


@dataclass(frozen=True, slots=True)
class Failure:
    """A call that gave no usable reply: typed by body first, then by status. `message` is redacted and short.

    `retry_after_s` is the wait the provider asked for, None when it did not. `refused_field` names a request
    field that the model does not accept (the call may be mended by leaving it out).
    """

    outcome: Outcome
    message: str
    http_status: int | None = None
    code: str = ""
    retry_after_s: float | None = None
    refused_field: str = ""
    request_id: str = ""


class WireProtocol(Protocol):
    """A wire format: two pure functions."""

    def build(self, ask: Ask, target: Target, secret: Secret | None) -> HttpRequest:
        """Return the request that asks `ask` of `target`."""

    def parse(self, target: Target, status: int, headers: dict[str, str], body: bytes) -> Reply | Failure:
        """Return what an HTTP answer means. Header names come in lower case. Never raises on bad input."""
