"""Strict input: an unknown name is refused, a number is a whole number, and old camelCase names still work.

Parameters may stand in the JSON body or in the query; `read_parameters` brings both into one form. What the values
mean is not decided here: services do that.
"""

import re
from collections.abc import Mapping
from typing import Any

from django.http import QueryDict
from rest_framework import serializers
from rest_framework.exceptions import ValidationError
from rest_framework.request import Request

from providers.api.inputs import Parameters, printable

MAX_NAMES = 200
MAX_REFERENCES = 10_000
_WHOLE_NUMBER = re.compile(r"[+-]?[0-9]{1,20}")
_HUMP = re.compile(r"(?<=[a-z])([A-Z])")


class WholeNumber(serializers.IntegerField):
    """An integer, or a text of digits as queries carry it: no booleans, no fractions, no other digits."""

    def to_internal_value(self, data: Any) -> int:
        is_number = isinstance(data, int) and not isinstance(data, bool)
        if not is_number and not (isinstance(data, str) and _WHOLE_NUMBER.fullmatch(data)):
            self.fail("invalid")
        return super().to_internal_value(data)


class BatchSize(WholeNumber):
    """A number of domains, or `all`, which becomes None."""

    def to_internal_value(self, data: Any) -> int | None:  # type: ignore[override]
        return None if data == "all" else super().to_internal_value(data)

    def run_validators(self, value: Any) -> None:
        if value is not None:
            super().run_validators(value)


class Names(serializers.ListField):
    """Names or ids; in a query separated by commas, or given several times."""

    child = serializers.CharField(max_length=253)

    def __init__(self, **options: Any) -> None:
        super().__init__(**{"allow_empty": False, "max_length": MAX_NAMES, **options})

    def to_internal_value(self, data: Any) -> list[str]:
        if not isinstance(data, list):
            self.fail("not_a_list", input_type=type(data).__name__)
        return list(dict.fromkeys(super().to_internal_value(data)))


class AnyList(serializers.Field[Any, Any, Any, Any]):
    """A list whose entries are judged one by one by the service."""

    default_error_messages = {"not_a_list": "Give a list.", "empty": "Give at least one entry."}

    def to_internal_value(self, data: Any) -> list[Any]:
        if not isinstance(data, list):
            self.fail("not_a_list")
        if not data:
            self.fail("empty")
        return data

    def to_representation(self, value: Any) -> Any:
        return value


def query_names(parameters: type[Parameters]) -> set[str]:
    """Return the names that an endpoint reads from the query, with their old camelCase forms."""
    names = set(parameters().fields)
    return names | {re.sub(r"_([a-z])", lambda found: found[1].upper(), name) for name in names}


def read_parameters(
    request: Request, parameters: type[Parameters], *, with_body: bool = True
) -> dict[str, Any]:
    """Return the checked parameters of body and query.

    Raises `ValidationError`, also for one that is given twice.
    """
    body = request.data if with_body and isinstance(request.data, dict) else {}
    serializer = parameters(data=_given(body, request.query_params, parameters()))
    serializer.is_valid(raise_exception=True)
    return dict(serializer.validated_data)


def _given(body: Mapping[str, Any], query: QueryDict, serializer: Parameters) -> dict[str, Any]:
    given: dict[str, Any] = {}
    for source in (body, _from_query(query, serializer)):
        for written, value in source.items():
            name = _snake(written) if _snake(written) in serializer.fields else written
            if name in given:
                raise ValidationError({printable(name): ["Given twice. Give it once."]})
            given[name] = value
    return given


def _from_query(query: QueryDict, serializer: Parameters) -> dict[str, Any]:
    """Return lists for fields that take lists, one text for others."""
    values: dict[str, Any] = {}
    for written, texts in query.lists():
        field = serializer.fields.get(_snake(written))
        if isinstance(field, Names):
            values[written] = [part.strip() for text in texts for part in text.split(",") if part.strip()]
        elif len(texts) > 1:
            raise ValidationError({printable(written): ["Given twice. Give it once."]})
        else:
            values[written] = texts[0]
    return values


def _snake(name: str) -> str:
    return _HUMP.sub(lambda found: f"_{found[1].lower()}", name)
