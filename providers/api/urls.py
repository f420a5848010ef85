"""The addresses of this app; a provider is named, models and keys go by their ids."""

from django.urls import path

from providers.api.catalogue import ActivateModelView, ModelsView, PauseModelView, ProvidersView, ProviderView
from providers.api.keys import ApiKeysView, DisableKeyView, EnableKeyView, TestKeyView
from providers.api.usage import ProviderUsageView

urlpatterns = [
    path("api-keys", ApiKeysView.as_view(), name="api-keys"),
    path("api-keys/<int:pk>/test", TestKeyView.as_view(), name="api-key-test"),
    path("api-keys/<int:pk>/disable", DisableKeyView.as_view(), name="api-key-disable"),
    path("api-keys/<int:pk>/enable", EnableKeyView.as_view(), name="api-key-enable"),
    path("provider-usage", ProviderUsageView.as_view(), name="provider-usage"),
    path("providers", ProvidersView.as_view(), name="providers"),
    path("providers/<str:name>", ProviderView.as_view(), name="provider"),
    path("models", ModelsView.as_view(), name="models"),
    path("models/<int:pk>/pause", PauseModelView.as_view(), name="model-pause"),
    path("models/<int:pk>/activate", ActivateModelView.as_view(), name="model-activate"),
]
