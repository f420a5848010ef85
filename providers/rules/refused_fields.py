"""Finds the request field that an error body says the model does not take, so that it can be left out.

Only fields that we may send are looked for. Words that are also plain English count only where they are quoted
or part of a path.
"""

import re

from providers.rules.error_bodies import ErrorFacts

_TECHNICAL = (
    "temperature", "max_completion_tokens", "max_tokens", "max_output_tokens", "reasoning_effort", "top_p", "top_k",
    "thinking_config", "thinking_level", "thinking_budget", "budget_tokens", "output_config", "tool_choice",
    "presence_penalty", "frequency_penalty", "response_format", "service_tier", "max_steps",
)  # fmt: skip
_ENGLISH = ("thinking", "reasoning", "effort", "stop", "tools", "seed", "preset")
_BY_PLAIN_NAME = {name.replace("_", ""): name for name in (*_TECHNICAL, *_ENGLISH)}


def _either_spelling(names: tuple[str, ...]) -> str:
    return "|".join(name.replace("_", "_?") for name in names)


_PATH = re.compile(r"\b[A-Za-z_]+(?:\.[A-Za-z_]+)+")
_QUOTED = re.compile(rf"[\"'`]({_either_spelling((*_TECHNICAL, *_ENGLISH))})[\"'`]", re.IGNORECASE)
_PLAIN = re.compile(rf"\b({_either_spelling(_TECHNICAL)})\b", re.IGNORECASE)
_PHRASES = (
    (re.compile(r"thinking (?:level|budget|mode)|budget \d+ is invalid", re.IGNORECASE), "thinking_config"),
    (re.compile(r"reasoning effort", re.IGNORECASE), "reasoning_effort"),
    (re.compile(r"effort parameter", re.IGNORECASE), "effort"),
)


def refused_field(facts: ErrorFacts) -> str:
    """Return the field in our spelling (`max_output_tokens` for `maxOutputTokens`), "" when none is named.

    Of a path such as `thinking.type` the outermost field that we know, since the rest says nothing without it.
    """
    if named := _in_path(facts.param):
        return named
    if match := _QUOTED.search(facts.message):
        return _ours(match[1])
    if named := next(filter(None, map(_in_path, _PATH.findall(facts.message))), ""):
        return named
    if match := _PLAIN.search(facts.message):
        return _ours(match[1])
    return next((name for phrase, name in _PHRASES if phrase.search(facts.message)), "")


def _in_path(path: str) -> str:
    return next(filter(None, map(_ours, path.split("."))), "")


def _ours(name: str) -> str:
    return _BY_PLAIN_NAME.get(name.replace("_", "").lower(), "")
