"""Reads rows of domains out of CSV, JSON and plain text; a row that cannot be read carries its `problem`.

One bad row never costs the others: CSV is read line by line, so that a forgotten quote ends with its line, and
a row's number is the line's number as an editor or a spreadsheet shows it (in JSON its place in the list, from
1). Whether a name is a domain is not decided here (`processing.rules.names`), and nothing is stored.
"""

import codecs
import csv
import json
import re
import unicodedata
from collections.abc import Iterable, Iterator, Mapping
from dataclasses import dataclass, field
from enum import StrEnum
from typing import Any

MAX_LINE_CHARS = 10_000
MAX_INPUT_CHARS = 200  # of a row's own text, as it is shown again in its verdict
MAX_COHORT_CHARS = 80
LIMITS = {
    "display_name": 200,
    "category": 120,
    "aliases": 200,
    "cohorts": MAX_COHORT_CHARS,
}  # characters each
MAX_LIST_ITEMS = 50

# The order of the columns in a file without a header.
FIELDS = ("domain", "cohorts", "display_name", "category", "priority", "aliases")
_OTHER_WORDS = {
    "name": "domain", "domain_name": "domain", "domains": "domain", "url": "domain", "website": "domain",
    "cohort": "cohorts", "brand": "display_name", "alias": "aliases",
}  # fmt: skip
_LIST_SEPARATOR = re.compile(r"[|;,]")
_DELIMITERS = (",", ";", "\t")
_UNPRINTABLE = re.compile("[\x00-\x08\x0b-\x1f\x7f-\x9f\ud800-\udfff]")


class Format(StrEnum):
    """How the rows are written."""

    CSV = "csv"
    JSON = "json"
    TEXT = "text"


class ImportRefused(ValueError):
    """The whole file cannot be read; the message says why."""


@dataclass(frozen=True, slots=True)
class DomainRow:
    """One row as it was written. `name` is not checked yet; `problem` is why the row cannot be used."""

    row: int
    input: str
    name: str = ""
    display_name: str = ""
    aliases: tuple[str, ...] = ()
    category: str = ""
    cohorts: tuple[str, ...] = ()
    priority: int | None = None
    problem: str = ""


@dataclass(frozen=True, slots=True)
class ImportRows:
    """The rows of a file, and the columns that mean nothing to us."""

    rows: list[DomainRow]
    ignored_columns: list[str] = field(default_factory=list)


def rows_from_bytes(data: bytes, *, kind: Format) -> ImportRows:
    """Read a file. Raises `ImportRefused` when nothing in it can be understood."""
    text = _decode(data)
    if kind is Format.JSON:
        return ImportRows(rows_from_list(_list_in(_json(text))))
    lines = list(enumerate(text.replace("\r\n", "\n").replace("\r", "\n").split("\n"), start=1))
    return _rows_from_csv(lines) if kind is Format.CSV else ImportRows(list(_rows_from_text(lines)))


def rows_from_list(items: Iterable[Any]) -> list[DomainRow]:
    """Read rows given as names or as objects with the fields `FIELDS`; `name` and `cohort` will do as well."""
    return [_row_from_item(number, item) for number, item in enumerate(items, start=1)]


def cohort_name(text: str) -> str:
    """Turn a cohort's label into its name: `AI & LLM leaders` → `ai-llm-leaders`; empty when nothing is left."""
    ascii_text = unicodedata.normalize("NFKD", text).encode("ascii", "ignore").decode()
    return re.sub(r"[^a-z0-9_]+", "-", ascii_text.lower()).strip("-_")[:MAX_COHORT_CHARS]


def _decode(data: bytes) -> str:
    """UTF-8, or UTF-16 with its mark (spreadsheets save it as "Unicode text"), else Latin-1."""
    if data.startswith((codecs.BOM_UTF16_LE, codecs.BOM_UTF16_BE)):
        return data.decode("utf-16", errors="replace")
    try:
        return data.decode("utf-8-sig")
    except UnicodeDecodeError:
        return data.decode("latin-1")


def _json(text: str) -> Any:
    try:
        return json.loads(text)
    except (ValueError, RecursionError) as error:  # also numbers of thousands of digits, and deep nesting
        raise ImportRefused(f"Not valid JSON: {error}.") from error


def _list_in(document: Any) -> list[Any]:
    items = document.get("domains") if isinstance(document, dict) else document
    if not isinstance(items, list):
        raise ImportRefused('Give a list of domains, or an object such as {"domains": ["nike.com"]}.')
    return items


def _rows_from_text(lines: list[tuple[int, str]]) -> Iterator[DomainRow]:
    for number, line in lines:
        name = re.split(r"(?:^|\s)#", line, maxsplit=1)[0].strip()
        if name:
            yield _row_from_fields(number, {"domain": name})


def _rows_from_csv(lines: list[tuple[int, str]]) -> ImportRows:
    filled = [(number, line) for number, line in lines if line.strip(" ,;\t")]
    if not filled:
        return ImportRows([])
    head = filled[0][1][:MAX_LINE_CHARS]
    delimiter = max(_DELIMITERS, key=head.count)  # the first of equals: the comma
    names = _field_names(_cells(head, delimiter))
    if not any(name in FIELDS for name in names):
        return ImportRows([_row_from_line(number, line, delimiter, FIELDS) for number, line in filled])
    if "domain" not in names:
        raise ImportRefused("The first line names columns, but none is called domain.")
    rows = [_row_from_line(number, line, delimiter, names) for number, line in filled[1:]]
    return ImportRows(rows, ignored_columns=[name for name in names if name and name not in FIELDS])


def _field_names(words: Iterable[str]) -> tuple[str, ...]:
    """Our field for each word; `name` is the domain, or the brand where another word names the domain."""
    words = [word.strip().lower().replace(" ", "_") for word in words]
    names = [_OTHER_WORDS.get(word, word) for word in words]
    if names.count("domain") > 1 and "name" in words:
        names[words.index("name")] = "display_name"
    return tuple(names)


def _cells(line: str, delimiter: str) -> list[str]:
    return next(csv.reader([line], delimiter=delimiter, skipinitialspace=True), [])


def _row_from_line(number: int, line: str, delimiter: str, names: tuple[str, ...]) -> DomainRow:
    if len(line) > MAX_LINE_CHARS:
        return _bad_row(number, line, f"The line is longer than {MAX_LINE_CHARS:,} characters.")
    try:
        cells = _cells(line, delimiter)
    except csv.Error as error:
        return _bad_row(number, line, f"Not a line of CSV: {error}.")
    if any(cell.strip() for cell in cells[len(names) :]):
        return _bad_row(number, line, f"More cells than columns ({len(names)}). Put quotes around commas.")
    return _row_from_fields(number, dict(zip(names, cells, strict=False)), line=line)


def _row_from_item(number: int, item: Any) -> DomainRow:
    if isinstance(item, str):
        return _row_from_fields(number, {"domain": item})
    if not isinstance(item, dict):
        return _bad_row(number, json.dumps(item), "Give a name, or an object with the field domain.")
    fields: dict[str, Any] = {}
    for key, name in zip(item, _field_names(item), strict=True):
        if name not in FIELDS or name in fields:
            return _bad_row(number, json.dumps(item), _why_not_a_field(key, name))
        fields[name] = item[key]
    return _row_from_fields(number, fields)


def _why_not_a_field(key: str, name: str) -> str:
    if name in FIELDS:
        return f"The field {name} is given twice."
    return f"Unknown field {_shown(key)}. Known are {', '.join(FIELDS)}."


def _row_from_fields(number: int, fields: Mapping[str, Any], *, line: str = "") -> DomainRow:
    name = fields.get("domain", "")
    if not isinstance(name, str):
        return _bad_row(number, json.dumps(name), "The domain must be text.")
    try:
        return DomainRow(
            row=number,
            input=_shown(name or line),
            name=name,
            display_name=_text(fields, "display_name"),
            aliases=_texts(fields, "aliases"),
            category=_text(fields, "category"),
            cohorts=_cohorts(fields),
            priority=_priority(fields.get("priority")),
        )
    except _FieldRefused as refused:
        return _bad_row(number, name or line, str(refused))


class _FieldRefused(ValueError):
    """A field of a row is of the wrong kind, too long or out of range."""


def _text(fields: Mapping[str, Any], name: str) -> str:
    value = fields.get(name)
    if value is None:
        return ""
    if not isinstance(value, str):
        raise _FieldRefused(f"{name} must be text.")
    value = unicodedata.normalize("NFC", value.strip())
    if len(value) > LIMITS[name]:
        raise _FieldRefused(f"{name} is longer than {LIMITS[name]} characters.")
    if _UNPRINTABLE.search(value):
        raise _FieldRefused(f"{name} holds control characters.")
    return value


def _texts(fields: Mapping[str, Any], name: str) -> tuple[str, ...]:
    """Read a list, or one text with its parts between `|`, `;` or `,`; each once, in the order given."""
    value = fields.get(name)
    if value is None:
        return ()
    items = _LIST_SEPARATOR.split(value) if isinstance(value, str) else value
    if not isinstance(items, list):
        raise _FieldRefused(f"{name} must be a list of texts.")
    if len(items) > MAX_LIST_ITEMS:
        raise _FieldRefused(f"{name} has more than {MAX_LIST_ITEMS} entries.")
    texts = (_text({name: item}, name) for item in items)
    return tuple(dict.fromkeys(text for text in texts if text))


def _cohorts(fields: Mapping[str, Any]) -> tuple[str, ...]:
    labels = _texts(fields, "cohorts")
    for label in labels:
        if not cohort_name(label):
            raise _FieldRefused(f"The cohort {label} needs a name with Latin letters or digits.")
    return labels


def _priority(value: Any) -> int | None:
    if value is None or (isinstance(value, str) and not value.strip()):
        return None
    if isinstance(value, str) and re.fullmatch(r"\s*[0-9]{1,2}\s*", value):
        value = int(value)
    if not isinstance(value, int) or isinstance(value, bool) or not 1 <= value <= 10:
        raise _FieldRefused("priority must be a whole number from 1 to 10; 10 is most urgent.")
    return value


def _bad_row(number: int, text: str, problem: str) -> DomainRow:
    return DomainRow(row=number, input=_shown(text), problem=problem)


def _shown(text: str) -> str:
    """The text as it may stand in an answer: short, and without what JSON in UTF-8 cannot hold."""
    return text[:MAX_INPUT_CHARS].encode("utf-8", "replace").decode()
