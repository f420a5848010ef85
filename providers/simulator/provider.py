"""One simulated provider: decides what becomes of a call, in the order in which real ones do.

The key first, then faults at the door, then whether the request makes sense, then the limits, then the other faults,
then the answer. What is written stands in `answers.py` and `errors.py`; sockets and clocks stand elsewhere.
"""

import json
from collections import Counter
from collections.abc import Callable
from typing import Any

from providers.protocols.base import Outcome
from providers.simulator.admission import PoolState
from providers.simulator.answers import Answers
from providers.simulator.dialects import dialect_for
from providers.simulator.draws import Draws
from providers.simulator.errors import Errors
from providers.simulator.faults import ANSWER_KINDS, DEED_KINDS, DOOR_KINDS, DOOR_OUTCOMES, Approach, Fault
from providers.simulator.formats import FORMATS
from providers.simulator.formats.base import Asked, BadCall
from providers.simulator.journal import Record
from providers.simulator.plan import Admitted, Arrival, Deed, Plan
from providers.simulator.specs import PoolSpec, ProviderSpec

Strike = Callable[[Approach, Draws], Fault | None]
_NOTHING = Asked(model="", prompt="", input_tokens=0, cap_tokens=None, fields=frozenset())


class SimulatedProvider:
    """A provider of the scenario with what its pools have taken so far."""

    def __init__(self, spec: ProviderSpec, *, seed: int) -> None:
        self.spec = spec
        self.dialect = dialect_for(spec.name)
        self.format = FORMATS[spec.protocol]
        self._answers = Answers(spec, self.format, self.dialect.manner)
        self._errors = Errors(spec, self.dialect)
        self._seed = seed
        self._pools = {pool.name: PoolState(pool.limits) for pool in spec.pools}
        self._pool_of_key = {key: pool for pool in spec.pools for key in pool.keys}
        self._n_asked: Counter[int] = Counter()

    def clear(self) -> None:
        """Forget what came."""
        self._n_asked.clear()
        for pool in self._pools.values():
            pool.clear()

    def chat(self, arrival: Arrival, strike: Strike) -> Plan:
        """Return what becomes of a question."""
        record = Record(at=arrival.at, provider=self.spec.name, key_last4=arrival.key[-4:])
        pool = self._pool_for(arrival.key)
        if pool is None:
            return self._errors.error(record, "bad_key", arrival)
        record.pool = pool.name
        try:
            asked = self.format.asked(arrival.path, _decoded(arrival.body))
        except BadCall:
            return self._errors.error(record, "bad_request", arrival)
        record.model = asked.model
        draws = self._draws(asked.model, asked.prompt)
        record.call = draws.name
        fault = strike(Approach(self.spec.name, pool.name, arrival.key, asked.model, asked.prompt), draws)
        if fault and self._is_at_the_door(fault):
            return self._struck(record, fault, arrival, asked, draws)
        if wrong := self._wrong_with(arrival, asked):
            kind, field = wrong
            return self._errors.error(record, kind, arrival, model=asked.model, field=field)
        return self._within_limits(record, arrival, asked, draws, fault)

    def page(self, arrival: Arrival, strike: Strike, *, body: str, is_public: bool) -> Plan:
        """Return what becomes of a call of a side page: the list of models, a key check."""
        record = Record(at=arrival.at, provider=self.spec.name, kind="check", key_last4=arrival.key[-4:])
        pool = self._pool_for(arrival.key)
        if pool is None and not is_public:
            return self._errors.error(record, "bad_key", arrival)
        record.pool = pool.name if pool else ""
        draws = self._draws("", arrival.path)
        fault = strike(Approach(self.spec.name, record.pool, arrival.key, "", is_check=True), draws)
        if fault:
            return self._struck(record, fault, arrival, _NOTHING, draws)
        record.outcome, record.status = Outcome.ANSWERED, 200
        return Plan(record, body=body.encode())

    def _pool_for(self, key: str) -> PoolSpec | None:
        """Return the pool that a key belongs to, None for an unknown key."""
        if not key and not self.spec.needs_key:
            return self.spec.pools[0]
        return self._pool_of_key.get(key)

    def _is_at_the_door(self, fault: Fault) -> bool:
        entry = self.dialect.errors.get(fault.kind)
        return fault.kind in DOOR_KINDS or (entry is not None and entry.outcome in DOOR_OUTCOMES)

    def _draws(self, model: str, prompt: str) -> Draws:
        question = hash((model, prompt))
        self._n_asked[question] += 1
        number = self._n_asked[question]
        return Draws(seed=self._seed, call=f"{self.spec.name}\0{model}\0{prompt}\0{number}")

    def _wrong_with(self, arrival: Arrival, asked: Asked) -> tuple[str, str] | None:
        """Return the error and the field of a request that the provider cannot serve, None when it can."""
        if set(self.dialect.required_headers) - arrival.header_names:
            return "bad_request", ""
        if set(self.dialect.required_fields) - asked.fields:
            return "bad_request", ""
        if self.spec.models and asked.model not in self.spec.models:
            return "unknown_model", ""
        return next((("refused_field", field) for field in self.spec.refuses if field in asked.fields), None)

    def _within_limits(
        self, record: Record, arrival: Arrival, asked: Asked, draws: Draws, fault: Fault | None
    ) -> Plan:
        """Return what becomes of a sound request: the limits decide, then the fault, then it is answered."""
        pool = self._pools[record.pool]
        call = self._answers.measured(asked, draws)
        refusal = pool.admit(model=asked.model, size=call.size, now_ns=arrival.now_ns)
        if refusal:
            return self._errors.of_limit(record, refusal, arrival, model=asked.model, pool=pool)
        if fault:
            plan = self._struck(record, fault, arrival, asked, draws)
        else:
            plan = self._answers.answer(record, call)
            plan.headers = self._errors.request_id(draws.name)
        plan.admitted = Admitted(pool, asked.model, call.size)
        plan.headers.update(self._errors.rate_headers(arrival, pool, asked.model))
        return plan

    def _struck(self, record: Record, fault: Fault, arrival: Arrival, asked: Asked, draws: Draws) -> Plan:
        """Return the call as the fault spoils it."""
        record.fault = fault.name
        if fault.kind in DOOR_KINDS:
            record.outcome = Outcome.CONNECTION
            return Plan(record, deed=Deed.RESET)
        if fault.kind in ANSWER_KINDS and fault.kind not in self.dialect.errors:
            return self._answers.spoiled_answer(record, self._answers.measured(asked, draws), fault.kind)
        if fault.kind in DEED_KINDS and fault.kind != "error_in_200":
            return self._answers.spoiled_sending(record, self._answers.measured(asked, draws), fault)
        return self._errors.of_fault(record, fault, arrival, model=asked.model)


def _decoded(body: bytes) -> dict[str, Any]:
    try:
        decoded = json.loads(body)
    except ValueError:
        raise BadCall("body") from None
    if not isinstance(decoded, dict):
        raise BadCall("body")
    return decoded
