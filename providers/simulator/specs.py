"""A scenario as data: providers, their accounts and prices, faults. How it is read stands in `scenario.py`."""

from dataclasses import dataclass
from typing import Any

from providers.simulator.admission import LimitSpec
from providers.simulator.draws import Distribution
from providers.simulator.faults import Fault

CHARACTERS_PER_TOKEN = 4


@dataclass(frozen=True, slots=True)
class Price:
    """USD per million tokens."""

    input_usd_per_mtok: float
    output_usd_per_mtok: float


@dataclass(frozen=True, slots=True)
class PoolSpec:
    """An account: its keys share its limits."""

    name: str
    keys: tuple[str, ...]
    limits: tuple[LimitSpec, ...] = ()


@dataclass(frozen=True, slots=True)
class ProviderSpec:
    """One simulated provider. `models` empty: it answers as any model. `answer_tokens` leave the reasoning out."""

    name: str
    protocol: str
    auth_style: str
    base_path: str
    chat_path: str
    key_check: dict[str, Any]
    pools: tuple[PoolSpec, ...]
    models: tuple[str, ...]
    own_port: bool
    needs_key: bool
    latency_ms: Distribution
    answer_tokens: Distribution
    reasoning_tokens: Distribution
    cached_share: float
    served_model: str
    reports_usage: bool
    refuses: tuple[str, ...]
    hints: tuple[str, ...]
    prices: dict[str, Price]

    def price_of(self, model: str) -> Price | None:
        """Return the price of a model, else that of all models."""
        return self.prices.get(model) or self.prices.get("*")


@dataclass(frozen=True, slots=True)
class Scenario:
    """All of a file."""

    title: str
    seed: int
    providers: dict[str, ProviderSpec]
    faults: tuple[Fault, ...]
