"""What may be kept of a text that came over the wire.

Databases refuse NUL, UTF-8 refuses lone surrogates, and white space is not an answer.
"""

import re

_UNSTORABLE = re.compile("[\x00\ud800-\udfff]")
_THINKING = re.compile(r"\s*<think(?:ing)?>.*?(?:</think(?:ing)?>|\Z)", re.DOTALL | re.IGNORECASE)
_THINKING_END = re.compile(r"</think(?:ing)?>", re.IGNORECASE)
_THINKING_START = re.compile(r"<think(?:ing)?>", re.IGNORECASE)


def clean_text(value: object, *, max_length: int | None = None) -> str:
    """Return `value` as text that can be stored anywhere; what is no string or number is ""."""
    if isinstance(value, (int, float)) and not isinstance(value, bool):
        value = f"{value:.17g}" if isinstance(value, float) else str(value) if abs(value) < 10**18 else ""
    if not isinstance(value, str):
        return ""
    if value.isascii() and "\x00" not in value:  # most texts: ten times as fast as the search below
        return value[:max_length]
    return _UNSTORABLE.sub("", value)[:max_length]


def answer_text(value: str, *, has_think_tags: bool = False) -> str | None:
    """Return what of `value` is the answer, None when nothing is left but white space.

    A leading `<think>…</think>` is thinking that some servers leave in the content (an unclosed one was cut
    off before the answer began). With `has_think_tags` a closing tag without an opening one ends it too:
    chat templates that open the tag in the prompt produce that.
    """
    text = clean_text(value)
    if match := _THINKING.match(text):
        text = text[match.end() :]
    elif (
        has_think_tags
        and (end := _THINKING_END.search(text))
        and not _THINKING_START.search(text[: end.start()])
    ):
        text = text[end.end() :]
    text = text.strip()
    return text or None
