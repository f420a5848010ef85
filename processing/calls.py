"""One call: from a question and a key to its result. Nothing here decides whether or when it is made."""

import asyncio
import time
from collections.abc import Mapping
from datetime import UTC, datetime
from decimal import Decimal

from processing.claims import Claim
from processing.services.recording import Result
from providers.facts import LaneFacts, UsableKey
from providers.prices import cost_usd
from providers.protocols import protocol_for
from providers.protocols.base import Ask, Failure, Outcome, Reply, Target
from providers.rules.output_cap import output_cap
from providers.rules.redact import without_secret
from providers.transport import AioTransport


async def call_make(
    claim: Claim, ask: Ask, *, facts: LaneFacts, key: UsableKey, transport: AioTransport
) -> tuple[Result, Mapping[str, str]]:
    """Call the provider once and return what it gave, and the headers of its answer."""
    target = facts.target
    protocol = protocol_for(target.protocol)
    started = time.monotonic()
    try:
        answer = await transport.send(protocol.build(ask, target, key.secret))
    except asyncio.CancelledError:
        answer = Failure(Outcome.LOST, "The worker was stopped before the answer came.")
    latency_ms = round((time.monotonic() - started) * 1000)
    reply: Reply | Failure = (
        answer
        if isinstance(answer, Failure)
        else protocol.parse(target, answer.status, answer.headers, answer.body)
    )
    reply = without_secret(reply, key.secret)
    result = Result(
        claim=claim,
        provider_id=facts.provider_id,
        key_id=key.id,
        key_last4=key.last4,
        reply=reply,
        latency_ms=latency_ms,
        cost_usd=_cost_usd(target, reply),
        simulated=target.simulated,
        was_mended=isinstance(reply, Failure) and bool(reply.refused_field),
        has_room=target.max_output_tokens is None
        or output_cap(target, ask.max_output_tokens) < target.max_output_tokens,
    )
    return result, {} if isinstance(answer, Failure) else answer.headers


def refusal_result(claim: Claim, *, facts: LaneFacts, reason: str) -> Result:
    """Return the result of a question that cannot be asked at all: no call is made, and the record says why."""
    return Result(
        claim=claim, provider_id=facts.provider_id, key_id=None, key_last4="",
        reply=Failure(Outcome.TOO_LONG, reason), latency_ms=0, simulated=facts.target.simulated,
    )  # fmt: skip


def _cost_usd(target: Target, reply: Reply | Failure) -> Decimal | None:
    """Return what the provider charged, else what its tokens cost by the price list, else None."""
    if isinstance(reply, Failure):
        return None
    if reply.cost_usd is not None:
        return reply.cost_usd
    return cost_usd(
        target, input_tokens=reply.input_tokens, output_tokens=reply.output_tokens,
        cached_tokens=reply.cached_tokens, at=datetime.now(UTC),
    )  # fmt: skip
