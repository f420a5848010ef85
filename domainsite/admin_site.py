"""The admin site: our name on it, and the pages of django-rq behind a permission.

django-rq's pages check only `is_staff`, so any staff user could read, requeue and delete jobs; here they
need `django_rq.admin`. Not here: the admin classes of the models, each in its app's `admin`.
"""

from collections.abc import Callable

from django.contrib import admin
from django.contrib.admin.apps import AdminConfig as DjangoAdminConfig
from django.core.exceptions import PermissionDenied
from django.http import HttpRequest, HttpResponseBase

QUEUE_PAGES = "admin/django_rq/"
QUEUE_PERMISSION = "django_rq.admin"


class Site(admin.AdminSite):
    """The admin that staff work in."""

    site_header = "Domain Processor"
    site_title = "Domain Processor"
    index_title = "What runs, and what it found"


class AdminConfig(DjangoAdminConfig):
    """Puts our site in the place of Django's."""

    default_site = "domainsite.admin_site.Site"


class QueuePagesMiddleware:
    """Refuses django-rq's pages to staff without the permission; who is not logged in meets their own check."""

    def __init__(self, get_response: Callable[[HttpRequest], HttpResponseBase]) -> None:
        self.get_response = get_response

    def __call__(self, request: HttpRequest) -> HttpResponseBase:
        return self.get_response(request)

    def process_view(self, request: HttpRequest, *_view: object) -> None:
        """Check the route rather than the path, so that no spelling of the address slips through.

        Raises:
            PermissionDenied: the user may not see the queues.
        """
        match = request.resolver_match
        if match is None or not match.route.startswith(QUEUE_PAGES):
            return
        if request.user.is_authenticated and not request.user.has_perm(QUEUE_PERMISSION):
            raise PermissionDenied("The queue pages need the permission `django_rq.admin`.")
