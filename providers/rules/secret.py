"""A secret that does not print itself."""


class Secret:
    """Wraps a secret text so that logs, tracebacks and templates show `****`. `reveal()` gives the text."""

    __slots__ = ("_text",)

    def __init__(self, text: str) -> None:
        self._text = text

    def reveal(self) -> str:
        """Return the secret itself: call it where it is sent, and nowhere else."""
        return self._text

    def __str__(self) -> str:
        return "****"

    __repr__ = __str__

    def __format__(self, _spec: str) -> str:
        return "****"

    def __eq__(self, other: object) -> bool:
        return isinstance(other, Secret) and other._text == self._text

    def __hash__(self) -> int:
        return hash(self._text)

    def __reduce__(self) -> str:
        raise TypeError("A Secret is never pickled.")
