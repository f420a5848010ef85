"""Answers of a simulated provider: their size, text and cost, and how a fault spoils them."""

import json
from collections.abc import Mapping
from dataclasses import dataclass, replace

from providers.protocols.base import Outcome
from providers.simulator.admission import Size
from providers.simulator.draws import Draws
from providers.simulator.faults import DEED_KINDS, Fault
from providers.simulator.formats.base import Asked, Ending, Format, Told
from providers.simulator.journal import Record
from providers.simulator.plan import Deed, Plan
from providers.simulator.specs import ProviderSpec
from providers.simulator.texts import answer_of

WRONG_MODEL = "another-model"
HTML_PAGE = (
    b"<!DOCTYPE html><html><head><title>Bad gateway</title></head><body><h1>Bad gateway</h1></body></html>"
)
_ENDINGS = {
    "empty": Ending.EMPTY,
    "truncated": Ending.TRUNCATED,
    "refused": Ending.REFUSED,
    "blocked": Ending.BLOCKED,
}


@dataclass(frozen=True, slots=True)
class Measured:
    """A question with how large its answer will be; `reasoning_tokens` are part of the output."""

    asked: Asked
    draws: Draws
    size: Size
    reasoning_tokens: int


class Answers:
    """Writes the answers of one provider."""

    def __init__(self, spec: ProviderSpec, wire_format: Format, manner: Mapping[str, str]) -> None:
        self._spec = spec
        self._format = wire_format
        self._manner = manner

    def measured(self, asked: Asked, draws: Draws) -> Measured:
        """Return how large the answer will be, never above the cap that the request names."""
        reasoning = round(self._spec.reasoning_tokens.at(draws.uniform("reasoning")))
        output = max(1, round(self._spec.answer_tokens.at(draws.uniform("answer")))) + reasoning
        if asked.cap_tokens is not None:
            output = min(output, asked.cap_tokens)
        size = Size(asked.input_tokens, output, asked.cap_tokens)
        return Measured(asked, draws, size, min(reasoning, output))

    def answer(self, record: Record, call: Measured) -> Plan:
        """Return the answer as it should be; it is cut off where the cap ends it."""
        is_cut = call.size.output_tokens == call.size.cap_tokens
        return self._plan(record, call, Ending.TRUNCATED if is_cut else Ending.DONE)

    def spoiled_answer(self, record: Record, call: Measured, kind: str) -> Plan:
        """Return an answer of a kind that nobody wishes for."""
        if kind == "wrong_model":
            return self._plan(record, call, Ending.DONE, served=WRONG_MODEL)
        return self._plan(record, call, _ENDINGS[kind])

    def spoiled_sending(self, record: Record, call: Measured, fault: Fault) -> Plan:
        """Return a good answer that does not get through as it is."""
        plan = self._plan(record, call, Ending.DONE)
        if fault.kind == "slow_first_byte":
            plan.delay_s += fault.delay_s
            return plan
        record.outcome = DEED_KINDS[fault.kind]
        plan.status = record.status = fault.status or 200
        if fault.kind == "stalled_body":
            plan.deed, plan.stall_s = Deed.STALL, fault.delay_s
        elif fault.kind == "cut_body":
            plan.deed = Deed.CUT
        elif fault.kind == "html":
            plan.body, plan.content_type = HTML_PAGE, "text/html"
        elif fault.kind == "empty_body":
            plan.body = b""
        else:
            plan.body = plan.body[: len(plan.body) // 2]
        if plan.deed is Deed.SEND and plan.status >= 500:
            record.outcome = Outcome.OVERLOADED
        return plan

    def _plan(self, record: Record, call: Measured, ending: Ending, *, served: str = "") -> Plan:
        asked, size, name = call.asked, call.size, call.draws.name
        n_visible = size.output_tokens - call.reasoning_tokens
        if ending is Ending.EMPTY:
            n_visible, size = 0, replace(size, output_tokens=call.reasoning_tokens)
        told = Told(
            id=name,
            created_s=int(record.at),
            model=served or self._spec.served_model.replace("$model", asked.model),
            text=answer_of(name=name, model=asked.model, n_tokens=n_visible),
            ending=ending,
            input_tokens=size.input_tokens,
            output_tokens=size.output_tokens,
            reasoning_tokens=call.reasoning_tokens,
            cached_tokens=int(size.input_tokens * self._spec.cached_share),
            cost_usd=self._cost_usd(asked.model, size),
            reports_usage=self._spec.reports_usage,
        )
        record.served_model, record.status = told.model, 200
        record.outcome = self._outcome(told)
        record.input_tokens, record.output_tokens = told.input_tokens, told.output_tokens
        record.cost_usd = told.cost_usd
        return Plan(
            record,
            body=json.dumps(self._format.told(told, self._manner), separators=(",", ":")).encode(),
            delay_s=self._spec.latency_ms.at(call.draws.uniform("latency")) / 1000,
        )

    def _cost_usd(self, model: str, size: Size) -> float | None:
        """Return what the call costs, cached tokens at the full price.

        Worked example: 1,000 in and 500 out at 0.10 and 0.50 USD per million → 0.00035.
        """
        price = self._spec.price_of(model)
        if price is None:
            return None
        usd = size.input_tokens * price.input_usd_per_mtok + size.output_tokens * price.output_usd_per_mtok
        return round(usd / 1_000_000, 8)

    def _outcome(self, told: Told) -> Outcome:
        if told.ending in self._format.means:
            return self._format.means[told.ending]
        if told.ending in (Ending.REFUSED, Ending.BLOCKED):
            return Outcome(told.ending.value)
        if not told.text:
            return Outcome.EMPTY
        return Outcome.TRUNCATED if told.ending is Ending.TRUNCATED else Outcome.ANSWERED
