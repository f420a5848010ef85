"""`POST /domains/import`: domains as JSON, CSV or lines of text, with a verdict for each row."""

from collections import Counter
from collections.abc import Mapping
from typing import IO, Any, ClassVar

from django.conf import settings
from rest_framework.parsers import BaseParser
from rest_framework.request import Request
from rest_framework.response import Response
from rest_framework.settings import api_settings
from rest_framework.views import APIView

from processing.api.fields import query_names, read_parameters
from processing.api.inputs import ImportDomains, ImportOptions
from processing.errors import TooLarge
from processing.rules.import_rows import Format, ImportRows, rows_from_list
from processing.services.intake import Verdict, VerdictKind, domains_import, parse_import


class RawBody(dict[str, bytes]):
    """A body that is not JSON, as it came, under the key `rows`."""


class CsvParser(BaseParser):
    """Keeps the body as it came: encoding and dialect are found out by `processing.rules.import_rows`."""

    media_type = "text/csv"

    def parse(
        self,
        stream: IO[Any],
        media_type: str | None = None,
        parser_context: Mapping[str, Any] | None = None,
    ) -> RawBody:
        """Return the bytes of the body. Raises `TooLarge`, also for a body that does not tell its length."""
        limit = settings.DATA_UPLOAD_MAX_MEMORY_SIZE
        data: bytes = stream.read(limit + 1)
        if len(data) > limit:
            raise TooLarge(f"The body is larger than {limit} bytes.")
        return RawBody(rows=data)


class TextParser(CsvParser):
    """One domain per line."""

    media_type = "text/plain"


class ImportView(APIView):
    """Takes domains in; always 200 with a verdict per row once the rows could be read."""

    required_scopes: ClassVar = {"POST": "process"}
    query_params: ClassVar = query_names(ImportOptions)
    parser_classes = [*api_settings.DEFAULT_PARSER_CLASSES, CsvParser, TextParser]  # type: ignore[list-item]

    def post(self, request: Request) -> Response:
        rows, options = self._rows_and_options(request)
        verdicts = domains_import(rows.rows, actor=request.user.get_username(), **options)
        counts = Counter(verdict.verdict for verdict in verdicts)
        return Response(
            {
                "dry_run": options.get("dry_run", False),
                "counts": {kind.value: counts[kind] for kind in VerdictKind},
                "ignored_columns": rows.ignored_columns,
                "results": [_verdict_data(verdict) for verdict in verdicts],
            }
        )

    def _rows_and_options(self, request: Request) -> tuple[ImportRows, dict[str, Any]]:
        if isinstance(request.data, RawBody):
            is_text = (request.content_type or "").partition(";")[0].strip().lower() == TextParser.media_type
            rows = parse_import(request.data["rows"], kind=Format.TEXT if is_text else Format.CSV)
            return rows, read_parameters(request, ImportOptions, with_body=False)
        options = read_parameters(request, ImportDomains)
        return ImportRows(rows_from_list(options.pop("domains"))), options


def _verdict_data(verdict: Verdict) -> dict[str, Any]:
    return {
        "row": verdict.row,
        "input": verdict.input,
        "name": verdict.name,
        "verdict": verdict.verdict,
        "id": verdict.id,
        "reason": verdict.reason or None,
    }
