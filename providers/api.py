"""`GET /api-keys`: which keys there are and what state they are in; never a secret."""

from typing import Any, ClassVar

from django.urls import path
from rest_framework import serializers
from rest_framework.request import Request
from rest_framework.response import Response
from rest_framework.views import APIView

from providers.models import ApiKey
from providers.selectors import keys_overview


class KeySerializer(serializers.ModelSerializer[ApiKey]):
    """A key by its last four characters."""

    pool = serializers.CharField(source="pool.name")

    class Meta:
        model = ApiKey
        fields = (
            "id", "label", "last4", "pool", "source", "state", "state_reason", "state_until", "last_ok_at",
            "last_error_at",
        )  # fmt: skip


class KeysOfProviderSerializer(serializers.Serializer[Any]):
    """The keys of one provider."""

    provider = serializers.CharField()
    keys = KeySerializer(many=True)
    usable = serializers.IntegerField(help_text="Keys that a question could use now.")
    total = serializers.IntegerField()


class KeysOverviewSerializer(serializers.Serializer[Any]):
    """All providers with their keys."""

    providers = KeysOfProviderSerializer(many=True)
    usable_keys = serializers.IntegerField()


class ApiKeysView(APIView):
    """Answers with the keys of every provider, or of the one that `provider` names."""

    required_scopes: ClassVar = {"GET": "operate"}
    query_params: ClassVar = {"provider"}

    def get(self, request: Request) -> Response:
        overview = keys_overview(provider=request.query_params.get("provider", ""))
        return Response(KeysOverviewSerializer(overview).data)


urlpatterns = [path("api-keys", ApiKeysView.as_view(), name="api-keys")]
