"""All that looks like chance: numbers that follow from the seed and the call alone, never from the order of arrival.

The n-th time a prompt reaches a model it gets the same latency, size and faults in every run with the same seed,
however many calls run at once.
"""

from dataclasses import dataclass
from hashlib import blake2b
from statistics import NormalDist

_NORMAL = NormalDist()
_Z_95 = _NORMAL.inv_cdf(0.95)
_SCALE = 2.0**-64


class Draws:
    """The numbers of one call; each purpose has a stream of its own."""

    def __init__(self, *, seed: int, call: str) -> None:
        self._key = blake2b(f"{seed}\0{call}".encode("utf-8", "surrogatepass"), digest_size=32).digest()

    @property
    def name(self) -> str:
        """Twelve hexadecimal digits that stand for the call."""
        return self._key[:6].hex()

    def uniform(self, purpose: str) -> float:
        """Return a number above 0 and below 1, always the same one for a purpose."""
        digest = blake2b(purpose.encode(), key=self._key, digest_size=8).digest()
        return (int.from_bytes(digest) + 0.5) * _SCALE * (1 - 1e-12)


@dataclass(frozen=True, slots=True)
class Distribution:
    """How a figure varies: fixed (`low` = `high`), uniform between the two, or lognormal by median and 95th percentile.

    `at(0.5)` of a lognormal with p50 = 800 and p95 = 3000 is 800, `at(0.95)` is 3000; none exceeds `most`.
    """

    low: float
    high: float
    is_lognormal: bool = False
    most: float = float("inf")

    def at(self, share: float) -> float:
        """Return the value below which `share` of all values lie."""
        if self.low == self.high:
            return self.low
        if not self.is_lognormal:
            return self.low + (self.high - self.low) * share
        value = self.low * (self.high / self.low) ** (_NORMAL.inv_cdf(share) / _Z_95)
        return float(min(value, self.most))


def fixed(value: float) -> Distribution:
    """Return the distribution that has one value only."""
    return Distribution(value, value)
