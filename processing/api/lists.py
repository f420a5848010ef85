"""What every list has in common, and the lists that only read: prompts and the figures of `/stats`.

Views fetch, call one selector or service, and send; scopes and query names are declared, and checked in
`domainsite.api`.
"""

from collections.abc import Sequence
from typing import Any, ClassVar

from rest_framework.exceptions import ValidationError
from rest_framework.generics import GenericAPIView
from rest_framework.request import Request
from rest_framework.response import Response
from rest_framework.views import APIView

from processing.api.filters import PromptFilter
from processing.api.objects import prompt_data
from processing.models import Prompt
from processing.selectors.prompts import current_versions_for
from processing.selectors.stats import stats
from providers.api.objects import Data


class ListView(GenericAPIView[Any]):
    """A list by pages; a subclass says what its rows look like."""

    required_scopes: ClassVar = {"GET": "read"}

    def get(self, request: Request, **_kwargs: Any) -> Response:
        rows = self.paginate_queryset(self.filter_queryset(self.get_queryset()))
        return self.get_paginated_response(self.data_for(rows or []))

    def data_for(self, rows: Sequence[Any]) -> list[Data]:
        """Return the rows of a page as they are sent, by a fixed number of queries."""
        raise NotImplementedError


class PromptsView(ListView):
    """`GET /prompts`."""

    filterset_class = PromptFilter
    queryset = Prompt.objects.all()

    def data_for(self, rows: Sequence[Prompt]) -> list[Data]:
        current = current_versions_for(rows)
        return [prompt_data(prompt, current.get(prompt.pk)) for prompt in rows]


class StatsView(APIView):
    """`GET /stats`."""

    required_scopes: ClassVar = {"GET": "read"}

    def get(self, request: Request) -> Response:
        return Response(stats())


def includes_text(request: Request) -> bool:
    """Say whether `include=text` asks for the texts. Raises `ValidationError` for anything else to include."""
    include = request.query_params.get("include")
    if include not in (None, "text"):
        raise ValidationError({"include": ["Only `text` can be included."]})
    return include == "text"
