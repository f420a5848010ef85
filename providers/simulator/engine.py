"""The whole simulator without its sockets: which provider a request is for, and what becomes of it.

`plan` on arrival, `ended` when the last byte is out or the caller is gone. The clocks are passed in.
"""

import json
import time
from collections.abc import Callable, Mapping
from dataclasses import dataclass

from providers.protocols.base import Outcome
from providers.simulator.draws import Draws
from providers.simulator.faults import Approach, Fault, FaultBook
from providers.simulator.journal import Journal, Record
from providers.simulator.plan import Arrival, Plan
from providers.simulator.provider import SimulatedProvider
from providers.simulator.specs import ProviderSpec, Scenario
from providers.simulator.window import NS_PER_S

NOT_FOUND = b'{"error":{"message":"Unknown address.","type":"invalid_request_error","param":null,"code":"unknown_url"}}'
_KEY_HEADERS = {"x-api-key": "x-api-key", "x-goog-api-key": "x-goog-api-key"}


@dataclass(frozen=True, slots=True)
class _Page:
    body: str
    is_public: bool


class Engine:
    """Answers for all providers of a scenario."""

    def __init__(
        self,
        scenario: Scenario,
        *,
        journal: Journal,
        seed: int | None = None,
        clock_ns: Callable[[], int] = time.monotonic_ns,
        wall_s: Callable[[], float] = time.time,
    ) -> None:
        self.scenario = scenario
        self.journal = journal
        self.faults = FaultBook(list(scenario.faults))
        self.n_in_flight = 0
        self._clock_ns, self._wall_s = clock_ns, wall_s
        self._started_ns = clock_ns()
        seed = scenario.seed if seed is None else seed
        self.providers = {
            name: SimulatedProvider(spec, seed=seed) for name, spec in scenario.providers.items()
        }
        self._pages = {name: _pages(one) for name, one in self.providers.items()}
        self._chats = {name: _chat_ends(spec) for name, spec in scenario.providers.items()}

    @property
    def elapsed_s(self) -> float:
        """Return the seconds since the start or the last reset."""
        return (self._clock_ns() - self._started_ns) / NS_PER_S

    def plan(self, *, method: str, path: str, headers: Mapping[str, str], body: bytes) -> Plan:
        """Return what becomes of a request; the caller must hand it to `ended` later."""
        self.n_in_flight += 1
        name = path.partition("/")[2].partition("/")[0]
        provider = self.providers.get(name)
        at = self._wall_s()
        if provider is None:
            return _not_found(Record(at=at, provider="", kind="other"))
        arrival = Arrival(
            method=method,
            path=path,
            key=_key_of(provider.spec.auth_style, headers),
            header_names=frozenset(map(str.lower, headers))
            if provider.dialect.required_headers
            else frozenset(),
            body=body,
            at=at,
            now_ns=self._clock_ns(),
        )
        start, end = self._chats[name]
        if method == "POST" and path.startswith(start) and path.endswith(end):
            return provider.chat(arrival, self._strike)
        if page := self._pages[name].get((method, path)):
            return provider.page(arrival, self._strike, body=page.body, is_public=page.is_public)
        return _not_found(Record(at=at, provider=name, kind="other"))

    def ended(self, plan: Plan, *, is_delivered: bool) -> None:
        """Let a call go and write it down."""
        self.n_in_flight -= 1
        if held := plan.admitted:
            held.pool.ended(model=held.model, size=held.size, now_ns=self._clock_ns())
        plan.record.is_delivered = is_delivered
        plan.record.duration_ms = round((self._wall_s() - plan.record.at) * 1000)
        self.journal.add(plan.record)

    def closed_ports(self) -> set[str]:
        """Return the providers whose own port is closed now."""
        return self.faults.closed_ports(elapsed_s=self.elapsed_s)

    def restart(self) -> None:
        """Begin anew: time 0, empty windows, no records, the faults of the scenario."""
        self._started_ns = self._clock_ns()
        self.faults.restart(self.scenario.faults)
        self.journal.restart()
        for provider in self.providers.values():
            provider.clear()

    def _strike(self, approach: Approach, draws: Draws) -> Fault | None:
        if not self.faults.faults:
            return None
        return self.faults.struck_by(approach, draws=draws, elapsed_s=self.elapsed_s)


def _key_of(auth_style: str, headers: Mapping[str, str]) -> str:
    """Return the key in the header of the provider's style; a bearer is taken too where providers do."""
    name = _KEY_HEADERS.get(auth_style)
    if name and (key := headers.get(name)):
        return key
    return headers.get("authorization", "").removeprefix("Bearer ") if name != "x-goog-api-key" else ""


def _chat_ends(spec: ProviderSpec) -> tuple[str, str]:
    """Return how the path of a question begins and ends: the model may stand between."""
    start, _slot, end = f"{spec.base_path}{spec.chat_path}".partition("{model}")
    return start, end or start


def _pages(provider: SimulatedProvider) -> dict[tuple[str, str], _Page]:
    """Return the side pages by method and path: those of the dialect, and lists of models for the rest."""
    spec, dialect = provider.spec, provider.dialect
    models_path = "/v1/models" if spec.chat_path.startswith(("/v1", "/v2")) else "/models"
    check_path, check_method = spec.key_check.get("path", models_path), spec.key_check.get("method", "GET")
    listed = json.dumps(provider.format.models(spec.models, dialect.manner))
    return {
        (
            check_method if path == check_path else "GET",
            f"{spec.base_path}{path}",
        ): _Page(dialect.pages.get(path, listed), path in dialect.public)
        for path in {models_path, check_path, *dialect.pages}
    }


def _not_found(record: Record) -> Plan:
    record.outcome, record.status = Outcome.MODEL_UNKNOWN, 404
    return Plan(record, status=404, body=NOT_FOUND)
