"""The addresses under `/api/v2`, collected from the apps; a trailing slash is dropped before they are read.

Each of the modules has `urlpatterns` with addresses such as `runs/<int:pk>`, or a DRF `router`.
"""

from importlib import import_module
from importlib.util import find_spec
from typing import Any

from django.urls import include, path

from domainsite.error_views import page_not_found

MODULES = ["processing.api.urls", "providers.api", "monitoring.api"]


def _patterns_of(module_name: str) -> list[Any]:
    module = import_module(module_name)
    patterns: list[Any] = module.urlpatterns if hasattr(module, "urlpatterns") else module.router.urls
    return patterns


_collected = [pattern for name in MODULES if find_spec(name) for pattern in _patterns_of(name)]
urlpatterns = [
    path("/", include(_collected)),
    path("", page_not_found),
    path("/<path:rest>", page_not_found),
]
