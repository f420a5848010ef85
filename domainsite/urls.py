"""Every address of the service: the admin, the API, and what a load balancer asks."""

from django.contrib import admin
from django.urls import include, path
from django.views.generic import RedirectView

from monitoring.api import livez, readyz

handler400 = "domainsite.error_views.bad_request"
handler403 = "domainsite.error_views.permission_denied"
handler404 = "domainsite.error_views.page_not_found"
handler500 = "domainsite.error_views.server_error"

urlpatterns = [
    path("", RedirectView.as_view(pattern_name="admin:index")),
    path("admin/", admin.site.urls),
    path("api/v2", include("domainsite.api.urls")),
    path("livez", livez),
    path("readyz", readyz),
]
