"""OpenAI's responses as Perplexity's agent endpoint speaks them: `status` beside HTTP 200, sources in the output."""

from collections.abc import Mapping
from typing import Any, ClassVar

from providers.protocols.base import Outcome
from providers.simulator.formats.base import (
    Asked,
    BadCall,
    Ending,
    Told,
    cap_of,
    model_of,
    n_tokens_of,
    texts_of_messages,
)

SEARCH_USD = 0.005  # what one search costs beside the tokens
_SOURCES = [
    {
        "id": place,
        "url": f"https://source{place}.example/page",
        "title": f"Source {place}",
        "snippet": "A page.",
    }
    for place in (1, 2)
]


class OpenAIResponses:
    """`POST …/v1/responses`."""

    means: ClassVar[dict[Ending, Outcome]] = {}

    def asked(self, path: str, body: dict[str, Any]) -> Asked:
        """Return what a request asks; raises BadCall."""
        asked = body.get("input")
        texts = [asked] if isinstance(asked, str) and asked else texts_of_messages(asked)
        instructions = body.get("instructions") or ""
        if not isinstance(instructions, str):
            raise BadCall("instructions")
        return Asked(
            model=model_of(body),
            prompt=texts[-1],
            input_tokens=n_tokens_of(instructions, *texts),
            cap_tokens=cap_of(body, "max_output_tokens"),
            fields=frozenset(body),
        )

    def told(self, told: Told, manner: Mapping[str, str]) -> dict[str, Any]:
        """Return the body that answers it."""
        is_cut = told.ending is Ending.TRUNCATED
        body: dict[str, Any] = {
            "id": f"resp_{told.id}",
            "object": "response",
            "created_at": told.created_s,
            "completed_at": told.created_s,
            "model": told.model,
            "status": "incomplete" if is_cut or told.ending is Ending.BLOCKED else "completed",
            "error": None,
            "incomplete_details": _why_incomplete(told.ending),
            "output": [
                {"type": "search_results", "queries": ["a search"], "results": _SOURCES},
                _message(told),
            ],
        }
        if told.reports_usage:
            body["usage"] = _usage(told)
        return body

    def models(self, names: tuple[str, ...], manner: Mapping[str, str]) -> Any:
        """Return the list of models."""
        entries = [
            {"id": name, "object": "model", "created": 1_700_000_000, "owned_by": "simulator"}
            for name in names
        ]
        return {"object": "list", "data": entries}


def _why_incomplete(ending: Ending) -> dict[str, str] | None:
    if ending is Ending.TRUNCATED:
        return {"reason": "max_output_tokens"}
    return {"reason": "content_filter"} if ending is Ending.BLOCKED else None


def _message(told: Told) -> dict[str, Any]:
    if told.ending is Ending.REFUSED:
        content: list[dict[str, Any]] = [{"type": "refusal", "refusal": told.text}]
    elif told.text:
        end = min(len(told.text), 9)
        notes = [
            {
                "type": "url_citation",
                "url": one["url"],
                "title": one["title"],
                "start_index": 0,
                "end_index": end,
            }
            for one in _SOURCES
        ]
        content = [{"type": "output_text", "text": told.text, "annotations": notes}]
    else:
        content = []
    return {
        "type": "message",
        "id": f"msg_{told.id}",
        "role": "assistant",
        "status": "completed",
        "content": content,
    }


def _usage(told: Told) -> dict[str, Any]:
    usage: dict[str, Any] = {
        "input_tokens": told.input_tokens,
        "output_tokens": told.output_tokens,
        "total_tokens": told.input_tokens + told.output_tokens,
        "input_tokens_details": {
            "cache_read_input_tokens": told.cached_tokens,
            "cache_creation_input_tokens": 0,
        },
    }
    if told.cost_usd is not None:
        usage["cost"] = {
            "currency": "USD",
            "input_cost": 0.0,
            "output_cost": told.cost_usd,
            "total_cost": told.cost_usd,
        }
    return usage
