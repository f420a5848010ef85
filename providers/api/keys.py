"""`/api-keys`: which keys there are and what state they are in, to test them, and to take them out of service."""

from typing import ClassVar

from rest_framework.request import Request
from rest_framework.response import Response
from rest_framework.views import APIView

from providers.api.inputs import Nothing, Reason, read_body
from providers.api.objects import key_data, test_data
from providers.errors import NotFound
from providers.models import ApiKey
from providers.selectors import keys_overview
from providers.services import key_disable, key_enable, key_test


class ApiKeysView(APIView):
    """`GET /api-keys`: the keys of every provider, or of the one that `provider` names."""

    required_scopes: ClassVar = {"GET": "operate"}
    query_params: ClassVar = {"provider"}

    def get(self, request: Request) -> Response:
        overview = keys_overview(provider=request.query_params.get("provider", ""))
        rows = [
            {
                "provider": one.provider,
                "keys": [key_data(key) for key in one.keys],
                "usable": one.usable,
                "total": one.total,
            }
            for one in overview.providers
        ]
        return Response({"providers": rows, "usable_keys": overview.usable_keys})


class TestKeyView(APIView):
    """`POST /api-keys/:id/test`: one call to its provider, with what follows for the key."""

    __test__ = False  # not a test, whatever its name says
    required_scopes: ClassVar = {"POST": "operate"}

    def post(self, request: Request, pk: int) -> Response:
        read_body(request, Nothing)
        result = key_test(key=_key(pk), actor=request.user.get_username())
        return Response(test_data(_key(pk), result))


class DisableKeyView(APIView):
    """`POST /api-keys/:id/disable`: no new call with it, calls in flight finish."""

    required_scopes: ClassVar = {"POST": "operate"}

    def post(self, request: Request, pk: int) -> Response:
        reason = read_body(request, Reason).get("reason", "disabled over the API")
        key_disable(key=_key(pk), actor=request.user.get_username(), reason=reason)
        return Response(key_data(_key(pk)))


class EnableKeyView(APIView):
    """`POST /api-keys/:id/enable`."""

    required_scopes: ClassVar = {"POST": "operate"}

    def post(self, request: Request, pk: int) -> Response:
        read_body(request, Nothing)
        key_enable(key=_key(pk), actor=request.user.get_username())
        return Response(key_data(_key(pk)))


def _key(pk: int) -> ApiKey:
    key: ApiKey | None = (
        ApiKey.objects.select_related("provider", "pool").filter(pk=pk).first() if pk < 2**63 else None
    )
    if key is None:
        raise NotFound(f"No key has the id {pk}.")
    return key
