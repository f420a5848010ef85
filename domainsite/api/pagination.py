"""Pages of long lists by key, never by count or offset, so that page 1,000 costs what page 1 does.

The cursor holds the ordering values of the row next to the page. Ordering ends by id, so that it is total
and rows with equal values are neither skipped nor shown twice.
"""

import base64
import binascii
import json
from dataclasses import dataclass
from datetime import datetime
from typing import Any

from django.core.exceptions import ValidationError as FieldValidationError
from django.core.serializers.json import DjangoJSONEncoder
from django.db.models import F, Field, Q, QuerySet
from django.db.models.expressions import OrderBy
from rest_framework.exceptions import ValidationError
from rest_framework.pagination import BasePagination
from rest_framework.request import Request
from rest_framework.response import Response
from rest_framework.utils.urls import remove_query_param, replace_query_param

MAX_CURSOR_LENGTH = 1000


@dataclass(frozen=True)
class Key:
    """One column of the ordering."""

    name: str
    is_descending: bool
    is_nullable: bool
    field: "Field[Any, Any]"

    def order(self, *, is_backward: bool) -> OrderBy:
        """Order by the column; unknown values stand last on both databases, first when walking back."""
        descending = self.is_descending != is_backward
        nulls = {("nulls_first" if is_backward else "nulls_last"): True} if self.is_nullable else {}
        return F(self.name).desc(**nulls) if descending else F(self.name).asc(**nulls)

    def beyond(self, value: Any, *, is_backward: bool) -> Q:
        """Match rows whose value comes after this one in the walking direction."""
        if value is None:
            return Q(**{f"{self.name}__isnull": False}) if is_backward else Q(pk__in=[])
        comparison = "lt" if self.is_descending != is_backward else "gt"
        beyond = Q(**{f"{self.name}__{comparison}": value})
        if self.is_nullable and not is_backward:
            beyond |= Q(**{f"{self.name}__isnull": True})
        return beyond

    def same(self, value: Any) -> Q:
        """Match rows with this very value."""
        return Q(**{f"{self.name}__isnull": True}) if value is None else Q(**{self.name: value})


@dataclass(frozen=True)
class Cursor:
    """A place in a list: beyond the row with these ordering values."""

    values: list[Any]
    is_backward: bool

    def encode(self) -> str:
        """Return it as text for an address."""
        text = json.dumps([int(self.is_backward), *self.values], cls=_ExactEncoder)
        return base64.urlsafe_b64encode(text.encode()).decode().rstrip("=")


class _ExactEncoder(DjangoJSONEncoder):
    """Keeps microseconds, which Django's own encoder cuts."""

    def default(self, o: Any) -> Any:
        return o.isoformat() if isinstance(o, datetime) else super().default(o)


def beyond_cursor(keys: list[Key], cursor: Cursor) -> Q:
    """Match the rows after the cursor's: (a, b) beyond (1, 2) is a beyond 1, or a = 1 and b beyond 2."""
    condition = Q(pk__in=[])
    for key, value in reversed(list(zip(keys, cursor.values, strict=True))):
        condition = key.beyond(value, is_backward=cursor.is_backward) | (key.same(value) & condition)
    return condition


class IdCursorPagination(BasePagination):
    """`{"results", "next", "previous"}`; `cursor`, `page_size` and, where the view allows it, `ordering`.

    A view's `ordering` (default `id`) is its usual order, its `ordering_fields` what a caller may choose.
    """

    default_page_size = 50
    max_page_size = 500
    query_params = frozenset({"cursor", "page_size"})

    def paginate_queryset(self, queryset: Any, request: Request, view: Any = None) -> list[Any]:
        """Return the rows of the page.

        Raises:
            ValidationError: page_size, ordering or cursor is not valid.
        """
        self.address = request.build_absolute_uri()
        size = self._page_size(request)
        self.keys = [_key(queryset, name) for name in self._ordering(request, view)]
        self.cursor = self._cursor(request)
        is_backward = self.cursor is not None and self.cursor.is_backward
        ordered = queryset.order_by(*(key.order(is_backward=is_backward) for key in self.keys))
        if self.cursor is not None:
            ordered = ordered.filter(beyond_cursor(self.keys, self.cursor))
        rows = list(ordered[: size + 1])
        has_more, rows = len(rows) > size, rows[:size]
        self.has_next = has_more or is_backward
        self.has_previous = has_more if is_backward else self.cursor is not None
        self.page = rows[::-1] if is_backward else rows
        return self.page

    def get_paginated_response(self, data: Any) -> Response:
        """Return the page with the addresses of its neighbours."""
        return Response({"results": data, "next": self.get_next_link(), "previous": self.get_previous_link()})

    def get_next_link(self) -> str | None:
        """Return the address of the next page, None on the last."""
        return self._link(self.page[-1], is_backward=False) if self.has_next and self.page else None

    def get_previous_link(self) -> str | None:
        """Return the address of the page before, None on the first."""
        return self._link(self.page[0], is_backward=True) if self.has_previous and self.page else None

    def get_paginated_response_schema(self, schema: dict[str, Any]) -> dict[str, Any]:
        """Describe the page for the schema."""
        link = {"type": ["string", "null"], "format": "uri"}
        return {
            "type": "object",
            "required": ["results", "next", "previous"],
            "properties": {"results": schema, "next": link, "previous": link},
        }

    def _link(self, row: Any, *, is_backward: bool) -> str:
        values = [row[key.name] if isinstance(row, dict) else getattr(row, key.name) for key in self.keys]
        cursor = Cursor(values=values, is_backward=is_backward).encode()
        return replace_query_param(remove_query_param(self.address, "cursor"), "cursor", cursor)

    def _page_size(self, request: Request) -> int:
        text = request.query_params.get("page_size")
        if text is None:
            return self.default_page_size
        if not (
            text.isascii() and text.isdigit() and len(text) < 10 and 1 <= int(text) <= self.max_page_size
        ):
            raise ValidationError({"page_size": [f"A whole number from 1 to {self.max_page_size}."]})
        return int(text)

    def _ordering(self, request: Request, view: Any) -> list[str]:
        usual = getattr(view, "ordering", None) or "id"
        names = [usual] if isinstance(usual, str) else list(usual)
        allowed = set(getattr(view, "ordering_fields", None) or ())
        if (text := request.query_params.get("ordering")) is not None and allowed:
            names = [name.strip() for name in text.split(",")]
            if any(name.removeprefix("-") not in allowed for name in names):
                raise ValidationError(
                    {"ordering": [f"One of {', '.join(sorted(allowed))}, `-` for descending."]}
                )
        if not any(name.removeprefix("-") == "id" for name in names):
            names.append("-id" if names[-1].startswith("-") else "id")
        return names

    def _cursor(self, request: Request) -> Cursor | None:
        text = request.query_params.get("cursor")
        if text is None:
            return None
        try:
            return _decoded(text, self.keys)
        except (binascii.Error, ValueError, TypeError, FieldValidationError):
            raise ValidationError(
                {"cursor": ["Take it from `next` or `previous` of the same list."]}
            ) from None


def _decoded(text: str, keys: list[Key]) -> Cursor:
    if len(text) > MAX_CURSOR_LENGTH:
        raise ValueError
    is_backward, *values = json.loads(base64.urlsafe_b64decode(text + "=" * (-len(text) % 4)))
    if is_backward not in (0, 1) or len(values) != len(keys):
        raise ValueError
    typed = [
        None if value is None else key.field.to_python(value) for key, value in zip(keys, values, strict=True)
    ]
    return Cursor(values=typed, is_backward=bool(is_backward))


def _key(queryset: QuerySet[Any], ordering: str) -> Key:
    name = ordering.removeprefix("-")
    annotation = queryset.query.annotations.get(name)
    field: Any = queryset.model._meta.get_field(name) if annotation is None else annotation.output_field
    is_nullable = annotation is not None or field.null
    return Key(name=name, is_descending=ordering.startswith("-"), is_nullable=is_nullable, field=field)
