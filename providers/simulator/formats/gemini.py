"""Gemini's generateContent: the model in the path, counts left out when 0, a blocked prompt without candidates."""

import re
from collections.abc import Mapping
from typing import Any, ClassVar

from providers.protocols.base import Outcome
from providers.simulator.formats.base import Asked, BadCall, Ending, Told, cap_of, n_tokens_of

_MODEL_IN_PATH = re.compile(r"/models/(.+):generateContent$")
_FINISHES = {Ending.TRUNCATED: "MAX_TOKENS", Ending.REFUSED: "SAFETY"}


class Gemini:
    """`POST …/models/{model}:generateContent`."""

    means: ClassVar[dict[Ending, Outcome]] = {Ending.REFUSED: Outcome.BLOCKED}

    def asked(self, path: str, body: dict[str, Any]) -> Asked:
        """Return what a request asks; raises BadCall."""
        found = _MODEL_IN_PATH.search(path)
        contents = body.get("contents")
        if found is None or not isinstance(contents, list) or not contents:
            raise BadCall("contents")
        texts = [_parts_text(one) for one in contents]
        system = _parts_text(body["systemInstruction"]) if "systemInstruction" in body else ""
        config = body.get("generationConfig") or {}
        if not isinstance(config, dict):
            raise BadCall("generationConfig")
        return Asked(
            model=found[1],
            prompt=texts[-1],
            input_tokens=n_tokens_of(system, *texts),
            cap_tokens=cap_of(config, "maxOutputTokens"),
            fields=frozenset(body) | frozenset(config),
        )

    def told(self, told: Told, manner: Mapping[str, str]) -> dict[str, Any]:
        """Return the body that answers it."""
        body: dict[str, Any] = {"modelVersion": told.model, "responseId": told.id}
        if told.ending is Ending.BLOCKED:
            body["promptFeedback"] = {"blockReason": "PROHIBITED_CONTENT"}
        else:
            body["candidates"] = [_candidate(told)]
        if told.reports_usage:
            body["usageMetadata"] = _usage(told)
        return body

    def models(self, names: tuple[str, ...], manner: Mapping[str, str]) -> Any:
        """Return the list of models."""
        methods = ["generateContent", "countTokens"]
        return {
            "models": [
                {
                    "name": f"models/{name}",
                    "displayName": name,
                    "version": "1",
                    "supportedGenerationMethods": methods,
                }
                for name in names
            ]
        }


def _parts_text(content: Any) -> str:
    parts = content.get("parts") if isinstance(content, dict) else None
    if not isinstance(parts, list) or not all(isinstance(one, dict) for one in parts):
        raise BadCall("parts")
    return "".join(str(one.get("text", "")) for one in parts)


def _candidate(told: Told) -> dict[str, Any]:
    candidate: dict[str, Any] = {"index": 0, "finishReason": _FINISHES.get(told.ending, "STOP")}
    if told.text and told.ending is not Ending.REFUSED:
        thought = {"text": "Thinking of an answer.", "thought": True}
        parts = [thought] * bool(told.reasoning_tokens) + [{"text": told.text}]
        candidate["content"] = {"role": "model", "parts": parts}
    return candidate


def _usage(told: Told) -> dict[str, Any]:
    """Return the counts: candidates leave the thoughts out, what is 0 is not there."""
    usage = {
        "promptTokenCount": told.input_tokens,
        "candidatesTokenCount": told.output_tokens - told.reasoning_tokens,
        "thoughtsTokenCount": told.reasoning_tokens,
        "cachedContentTokenCount": told.cached_tokens,
        "totalTokenCount": told.input_tokens + told.output_tokens,
    }
    return {name: n for name, n in usage.items() if n}
