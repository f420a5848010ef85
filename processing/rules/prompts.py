"""Templates of prompts: three variables and nothing else.

`str.format` is not used: it reads attributes (`{domain.__class__}`) and fails on braces of JSON examples. What is
put in is data about a domain, written by whoever imported it; it is kept to one line and cannot close the tags
that a template puts around it (`<domain>{domain}</domain>`), so that it is hard to mistake for an instruction.
Versions and their storage are not here (`processing.services.prompts`).
"""

import re
from collections.abc import Mapping

VARIABLES = ("domain", "name", "category")
MAX_TEXT_CHARS = 20_000
MAX_VALUE_CHARS = 300
UNKNOWN_VALUE = "unknown"

_BRACES = re.compile(r"\{\{|\}\}|\{([^{}]*)\}|[{}]")
_BREAKS_OUT = re.compile("[<>{}`\x00-\x1f\x7f-\x9f\u2028\u2029\ud800-\udfff]+")
_UNSENDABLE = re.compile("[\x00\ud800-\udfff]")


class TemplateRefused(ValueError):
    """The text cannot be a prompt; `reasons` says why, one sentence each."""

    def __init__(self, reasons: list[str]) -> None:
        super().__init__(" ".join(reasons))
        self.reasons = reasons


def check_template(text: str, *, needs_domain: bool = True) -> None:
    """Refuse a text that is empty or too long, names an unknown variable, or has a brace without its other half.

    `needs_domain`: without `{domain}` every domain would be asked the same. Raises `TemplateRefused`.
    """
    reasons = []
    if needs_domain and not text.strip():
        raise TemplateRefused(["The text is empty."])
    if len(text) > MAX_TEXT_CHARS:
        reasons.append(f"The text is longer than {MAX_TEXT_CHARS:,} characters.")
    if _UNSENDABLE.search(text):
        reasons.append("The text holds characters that cannot be stored (NUL or half a surrogate pair).")
    names = _variables_in(text, reasons)
    if needs_domain and "domain" not in names:
        reasons.append("The text does not contain {domain}, so every domain would be asked the same.")
    if reasons:
        raise TemplateRefused(reasons)


def render(text: str, values: Mapping[str, str]) -> str:
    """Put the values of `VARIABLES` into a checked template; an empty value reads `unknown`.

    Example: `render("Who owns {domain}? {{}}", {"domain": "nike.com"})` is `"Who owns nike.com? {}"`.
    """

    def put(found: re.Match[str]) -> str:
        token, name = found[0], found[1]
        if token in ("{{", "}}"):
            return token[0]
        return _one_line(values.get(name, "")) if name in VARIABLES else token

    return _BRACES.sub(put, text)


def _variables_in(text: str, reasons: list[str]) -> set[str]:
    names: set[str] = set()
    for found in _BRACES.finditer(text):
        token, name = found[0], found[1]
        if token in ("{", "}"):
            line = text.count("\n", 0, found.start()) + 1
            reasons.append(f"Line {line} has a single {token}. Write {token * 2} for the character itself.")
        elif name is not None and name not in VARIABLES:
            known = ", ".join(f"{{{variable}}}" for variable in VARIABLES)
            reasons.append(f"There is no variable {token[:60]}. Known are {known}; write {{{{ for a brace.")
        elif name is not None:
            names.add(name)
    return names


def _one_line(value: str) -> str:
    return " ".join(_BREAKS_OUT.sub(" ", value).split())[:MAX_VALUE_CHARS] or UNKNOWN_VALUE
