"""`GET /provider-usage`: what calls came to within a window, by provider, model or key."""

from datetime import UTC, datetime, timedelta
from typing import Any, ClassVar

from rest_framework import serializers
from rest_framework.exceptions import ValidationError
from rest_framework.request import Request
from rest_framework.response import Response
from rest_framework.views import APIView

from providers.api.objects import instant, usage_data
from providers.clock import database_now
from providers.usage_figures import GroupBy, usage_for

WINDOWS = {
    "1h": timedelta(hours=1),
    "24h": timedelta(hours=24),
    "7d": timedelta(days=7),
    "30d": timedelta(days=30),
}
EARLIEST = datetime(1970, 1, 2, tzinfo=UTC)
LATEST = datetime(2200, 1, 1, tzinfo=UTC)


class Span(serializers.Serializer[Any]):
    """Either a window that ends now, or `from` (and `to`, else now)."""

    window = serializers.ChoiceField(choices=list(WINDOWS), required=False)
    to = serializers.DateTimeField(required=False)
    group_by = serializers.ChoiceField(choices=list(GroupBy), default=GroupBy.PROVIDER)

    def get_fields(self) -> Any:
        return {**super().get_fields(), "from": serializers.DateTimeField(required=False)}

    def to_internal_value(self, data: Any) -> Any:
        try:
            return super().to_internal_value(data)
        except OverflowError:  # a zone that leads out of the calendar
            raise ValidationError({"from": ["Out of range."]}) from None

    def validate(self, attrs: Any) -> Any:
        if "window" in attrs and ("from" in attrs or "to" in attrs):
            raise ValidationError({"window": ["Give either a window, or from and to."]})
        if "to" in attrs and "from" not in attrs:
            raise ValidationError({"from": ["Say from when."]})
        now = database_now()
        until = attrs.get("to", now)
        since = attrs.get("from", until - WINDOWS[attrs.get("window", "24h")])
        for name, value in (("from", since), ("to", until)):
            if not EARLIEST <= value < LATEST:
                raise ValidationError({name: ["Out of range."]})
        if since >= until:
            raise ValidationError({"from": ["Before `to`, please."]})
        return {"since": since, "until": until, "group_by": GroupBy(attrs["group_by"])}


class ProviderUsageView(APIView):
    """Answers with a row per provider, model or key."""

    required_scopes: ClassVar = {"GET": "operate"}
    query_params: ClassVar = {"window", "from", "to", "group_by"}

    def get(self, request: Request) -> Response:
        serializer = Span(data=request.query_params.dict())
        serializer.is_valid(raise_exception=True)
        span = serializer.validated_data
        rows = usage_for(**span)
        return Response(
            {
                "from": instant(span["since"]),
                "to": instant(span["until"]),
                "group_by": span["group_by"].value,
                "results": [usage_data(row) for row in rows],
            }
        )
