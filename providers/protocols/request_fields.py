"""Puts request bodies together: options merged in, fields set at dotted paths, refused fields left out.

What a format's body looks like stands in its protocol. A refused field is known by its last name only, in
either spelling (`thinking_level`, `thinkingLevel`), since providers name nested fields as they like.
"""

from typing import Any
from urllib.parse import quote

from providers.protocols.base import Target
from providers.rules.urls import url_below


def merged(base: dict[str, Any], options: dict[str, Any]) -> dict[str, Any]:
    """Return `base` with `options` laid over it, objects merged at every level; neither is changed."""
    result = dict(base)
    for name, value in options.items():
        known = result.get(name)
        if isinstance(value, dict):
            result[name] = merged(known if isinstance(known, dict) else {}, value)
        else:
            result[name] = value
    return result


def put(body: dict[str, Any], path: str, value: object) -> None:
    """Set the field at a dotted path such as `generationConfig.maxOutputTokens`, making objects on the way."""
    *parents, last = path.split(".")
    for name in parents:
        inner = body.get(name)
        if not isinstance(inner, dict):
            inner = body[name] = {}
        body = inner
    body[last] = value


def without(body: dict[str, Any], refused: frozenset[str]) -> dict[str, Any]:
    """Return `body` without the fields of these plain names, at any depth; objects that become empty go too."""
    kept = {}
    for name, value in body.items():
        inner = without(value, refused) if isinstance(value, dict) else value
        is_emptied = inner == {} and value != {}
        if plain_name(name) not in refused and not is_emptied:
            kept[name] = inner
    return kept


def plain_name(name: str) -> str:
    """Return a field's own name without its path and spelling.

    Worked example: `generationConfig.maxOutputTokens` and `max_output_tokens` → `maxoutputtokens`.
    """
    return name.rpartition(".")[2].replace("_", "").lower()


def chat_url(target: Target) -> str:
    """Return where the target's model is asked; some formats name the model in the path."""
    model = quote(target.model.removeprefix("models/"), safe="")
    return url_below(target.base_url, target.chat_path.replace("{model}", model))
