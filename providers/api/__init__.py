"""The endpoints about providers, their models, keys and usage, below `/api/v2/`; what they send is never a secret."""

from providers.api.urls import urlpatterns

__all__ = ["urlpatterns"]
