"""Reads tables of a scenario key by key and collects what is wrong with them, each message naming its key.

What the keys mean stands in `scenario.py`. Unknown keys are errors, so that a slip never passes silently.
"""

from collections.abc import Sequence
from typing import Any

from providers.simulator.draws import Distribution, fixed


class Table:
    """One table of the file. Wrong values are noted in `errors` and read as the default."""

    def __init__(self, values: dict[str, Any], *, path: str, errors: list[str]) -> None:
        self._values = values
        self._path = path
        self._known: set[str] = set()
        self.errors = errors

    def __contains__(self, key: str) -> bool:
        return key in self._values

    def fail(self, key: str, text: str) -> None:
        """Note that the value of `key` is wrong."""
        self.errors.append(f"{self._name(key)}: {text}")

    def end(self) -> None:
        """Note every key that nobody asked for."""
        for key in self._values.keys() - self._known:
            known = ", ".join(sorted(self._known))
            self.fail(key, f"unknown key; known here: {known}.")

    def text(self, key: str, default: str = "", *, one_of: Sequence[str] = ()) -> str:
        """Return a text, of a given choice if there is one."""
        value = self._take(key, default)
        if not isinstance(value, str):
            self.fail(key, "a text in quotes is needed.")
            return default
        if one_of and value not in one_of and value != default:
            self.fail(key, f"{value!r} is none of: {', '.join(one_of)}.")
            return default
        return value

    def texts(self, key: str, default: tuple[str, ...] = ()) -> tuple[str, ...]:
        """Return a list of texts."""
        value = self._take(key, list(default))
        if not isinstance(value, list) or not all(isinstance(one, str) and one for one in value):
            self.fail(key, "a list of texts is needed.")
            return default
        return tuple(value)

    def boolean(self, key: str, default: bool) -> bool:
        """Return true or false."""
        value = self._take(key, default)
        if not isinstance(value, bool):
            self.fail(key, "true or false is needed.")
            return default
        return value

    def number(self, key: str, default: float, *, least: float = 0.0, most: float = 1e12) -> float:
        """Return a number within its bounds."""
        value = self._take(key, default)
        if not _is_number(value) or not least <= value <= most:
            self.fail(key, f"a number from {least:g} to {most:g} is needed.")
            return default
        return float(value)

    def integer(self, key: str, default: int, *, least: int = 0, most: int = 10**12) -> int:
        """Return a whole number within its bounds."""
        value = self._take(key, default)
        if not isinstance(value, int) or isinstance(value, bool) or not least <= value <= most:
            self.fail(key, f"a whole number from {least} to {most} is needed.")
            return default
        return value

    def span(self, key: str) -> tuple[float, float] | None:
        """Return two numbers, the first not above the second; None when nothing is said."""
        value = self._take(key, None)
        if value is None:
            return None
        if isinstance(value, list) and len(value) == 2 and all(_is_number(one) for one in value):
            first, last = value
            if 0 <= first <= last:
                return float(first), float(last)
        self.fail(key, "two numbers in order are needed, like [10, 20].")
        return None

    def distribution(self, key: str, default: Distribution | None) -> Distribution | None:
        """Return how a figure varies: a number, { from, to } or { p50, p95, most }."""
        value = self._take(key, None)
        if value is None:
            return default
        found = _distribution(value)
        if found is None:
            self.fail(
                key,
                "a number, { from = 1, to = 2 } or { p50 = 1, p95 = 2 } (p50 > 0, in order) is needed.",
            )
        return found or default

    def table(self, key: str) -> "Table":
        """Return the table of this key, an empty one when there is none."""
        value = self._take(key, {})
        if not isinstance(value, dict):
            self.fail(key, "a table is needed.")
            value = {}
        return Table(value, path=self._name(key), errors=self.errors)

    def tables(self, key: str) -> "list[Table]":
        """Return the tables of a list."""
        value = self._take(key, [])
        if not isinstance(value, list) or not all(isinstance(one, dict) for one in value):
            self.fail(key, "a list of tables is needed.")
            value = []
        return [
            Table(one, path=f"{self._name(key)}[{place}]", errors=self.errors)
            for place, one in enumerate(value)
        ]

    def named_tables(self, key: str) -> "dict[str, Table]":
        """Return the tables inside a table, by their names."""
        value = self._take(key, {})
        inner = self.table(key)
        return {name: inner.table(name) for name in value} if isinstance(value, dict) else {}

    def _take(self, key: str, default: Any) -> Any:
        self._known.add(key)
        return self._values.get(key, default)

    def _name(self, key: str) -> str:
        return f"{self._path}.{key}" if self._path else key


def _is_number(value: Any) -> bool:
    return isinstance(value, int | float) and not isinstance(value, bool)


def _distribution(value: Any) -> Distribution | None:
    if _is_number(value):
        return fixed(float(value)) if value >= 0 else None
    if not isinstance(value, dict) or not all(_is_number(one) and one >= 0 for one in value.values()):
        return None
    if value.keys() == {"from", "to"} and value["from"] <= value["to"]:
        return Distribution(float(value["from"]), float(value["to"]))
    if {"p50", "p95"} <= value.keys() <= {"p50", "p95", "most"} and 0 < value["p50"] <= value["p95"]:
        most = float(value.get("most", 10 * value["p95"]))
        return Distribution(float(value["p50"]), float(value["p95"]), is_lognormal=True, most=most)
    return None
