"""A limit as the strictest providers keep it: never more than an amount within any window, counted on arrival.

Time comes in as whole nanoseconds of one clock, so that the edges are exact. No I/O, no clock of its own.
"""

from collections import deque

NS_PER_S = 1_000_000_000


class SlidingWindow:
    """At most `amount` within any `per_s` seconds. What came at t has left again at t + per_s.

    Worked example: 2 per 60 s, taken at 0 s and 10 s → the next fits at 60 s, the one after at 70 s.
    """

    def __init__(self, *, amount: int, per_s: float) -> None:
        self.amount = amount
        self.per_ns = round(per_s * NS_PER_S)
        self._taken: deque[tuple[int, int]] = deque()
        self._n_used = 0

    def n_used(self, *, now_ns: int) -> int:
        """Return how much lies within the window that ends now."""
        taken, until_ns = self._taken, now_ns - self.per_ns
        while taken and taken[0][0] <= until_ns:
            self._n_used -= taken.popleft()[1]
        return self._n_used

    def fits(self, n: int, *, now_ns: int) -> bool:
        """Return whether `n` more may come now; nothing fits a window that is full, not even 0."""
        n_used = self.n_used(now_ns=now_ns)
        return n_used + n <= self.amount and n_used < self.amount

    def add(self, n: int, *, now_ns: int) -> None:
        """Count `n` as come now, whether or not they fit."""
        self._taken.append((now_ns, n))
        self._n_used += n

    def wait_ns(self, n: int, *, now_ns: int) -> int | None:
        """Return how long until `n` more fit, 0 when they do now, None when they never will."""
        if n > self.amount:
            return None
        n_used = self.n_used(now_ns=now_ns)
        if n_used + n <= self.amount and n_used < self.amount:
            return 0
        for at_ns, n_leaving in self._taken:
            n_used -= n_leaving
            if n_used + n <= self.amount and n_used < self.amount:
                return at_ns + self.per_ns - now_ns
        return None

    def empty_in_ns(self, *, now_ns: int) -> int:
        """Return how long until the window is empty when nothing more comes."""
        self.n_used(now_ns=now_ns)
        return self._taken[-1][0] + self.per_ns - now_ns if self._taken else 0

    def clear(self) -> None:
        """Forget what came."""
        self._taken.clear()
        self._n_used = 0
