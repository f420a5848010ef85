"""`/providers` and `/models`: who can answer, with what, and how a model is taken out of service and put back."""

from typing import Any, ClassVar

import django_filters
from django.db.models import QuerySet
from rest_framework.generics import GenericAPIView
from rest_framework.request import Request
from rest_framework.response import Response
from rest_framework.views import APIView

from providers.api.inputs import Nothing, Reason, read_body, staff_permission_check
from providers.api.objects import models_data, provider_data
from providers.errors import NotFound
from providers.models import LanguageModel, Provider, Tier
from providers.overview import provider_views
from providers.services import lane_activate, lane_pause

MODEL_PERMISSION = "providers.change_languagemodel"


class ProvidersView(GenericAPIView[Provider]):
    """`GET /providers`, by name: state, and how many keys, pools and models."""

    required_scopes: ClassVar = {"GET": "read"}
    queryset = Provider.objects.all()
    ordering = "name"

    def get(self, _request: Request) -> Response:
        rows = self.paginate_queryset(self.get_queryset()) or []
        return self.get_paginated_response([provider_data(view) for view in provider_views(_ids(rows))])


class ProviderView(APIView):
    """`GET /providers/:name` with its models; whoever may operate sees pools, keys and limits as well."""

    required_scopes: ClassVar = {"GET": "read"}

    def get(self, request: Request, name: str) -> Response:
        views = provider_views(_ids(Provider.objects.filter(name=name.replace("\0", ""))))
        if not views:
            raise NotFound(f"There is no provider {name[:40]!r}.")
        may_operate: bool = request.has_scope("operate")  # type: ignore[attr-defined]
        return Response(provider_data(views[0], with_models=True, with_keys=may_operate))


class ModelFilter(django_filters.FilterSet):  # type: ignore[misc]  # django-filter comes without types
    """`GET /models`; `lane` and `state` are the same."""

    provider = django_filters.CharFilter(field_name="provider__name")
    tier = django_filters.ChoiceFilter(choices=Tier.choices)
    is_default = django_filters.BooleanFilter()
    lane = django_filters.ChoiceFilter(choices=LanguageModel.Lane.choices)
    state = django_filters.ChoiceFilter(choices=LanguageModel.Lane.choices, field_name="lane")

    class Meta:
        model = LanguageModel
        fields: list[str] = []


class ModelsView(GenericAPIView[LanguageModel]):
    """`GET /models`."""

    required_scopes: ClassVar = {"GET": "read"}
    filterset_class = ModelFilter
    queryset = LanguageModel.objects.select_related("provider")

    def get(self, _request: Request) -> Response:
        rows: Any = self.paginate_queryset(self.filter_queryset(self.get_queryset()))
        return self.get_paginated_response(models_data(rows or []))


class PauseModelView(APIView):
    """`POST /models/:id/pause`: nothing more is asked of it until it is activated; calls in flight finish."""

    required_scopes: ClassVar = {"POST": "operate"}

    def post(self, request: Request, pk: int) -> Response:
        staff_permission_check(request, MODEL_PERMISSION)
        reason = read_body(request, Reason).get("reason", "paused over the API")
        lane_pause(model_id=_model(pk).pk, reason=reason, actor=request.user.get_username())
        return Response(models_data([_model(pk)])[0])


class ActivateModelView(APIView):
    """`POST /models/:id/activate`."""

    required_scopes: ClassVar = {"POST": "operate"}

    def post(self, request: Request, pk: int) -> Response:
        staff_permission_check(request, MODEL_PERMISSION)
        read_body(request, Nothing)
        lane_activate(model_id=_model(pk).pk)
        return Response(models_data([_model(pk)])[0])


def _model(pk: int) -> LanguageModel:
    model: LanguageModel | None = (
        LanguageModel.objects.select_related("provider").filter(pk=pk).first() if pk < 2**63 else None
    )
    if model is None:
        raise NotFound(f"No model has the id {pk}.")
    return model


def _ids(rows: "QuerySet[Provider] | list[Provider]") -> list[int]:
    return [row.pk for row in rows]
