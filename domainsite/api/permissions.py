"""What a caller may do, and which query parameters an endpoint takes: both declared by the view.

`required_scopes = {"GET": "read", "import_": "process"}` names a scope per action or method; None is open.
`query_params = {"status"}` (or a dict per action or method) names what the endpoint reads from the query;
the parameters of its paginator and filter set are known without being named. Views need not import this;
one that answers more to some callers asks `request.has_scope("operate")`.
"""

from typing import Any

from rest_framework.exceptions import NotAuthenticated, PermissionDenied
from rest_framework.permissions import BasePermission
from rest_framework.request import Request

from domainsite.api.authentication import ClientPrincipal
from domainsite.api.errors import UnknownField

MISSING = object()
STRICTEST = "manage"  # of a view that declares nothing
STAFF_PERMISSIONS = {
    "process": "processing.change_run",
    "operate": "providers.change_apikey",
    "manage": "processing.change_promptversion",
}


class ScopePermission(BasePermission):
    """Lets a caller through who holds the scope that the view requires."""

    def has_permission(self, request: Request, view: Any) -> bool:
        """Say yes, or raise what is missing.

        Raises:
            NotAuthenticated: nobody is known and the view is not open.
            PermissionDenied: the scope is missing; the message names it.
        """
        request.has_scope = lambda scope: has_scope(request.user, scope)  # type: ignore[attr-defined]
        if (request.method or "").lower() not in {method.lower() for method in view.allowed_methods}:
            return True  # the view answers 405
        scope = required_scope(request, view)
        if scope is None:
            return True
        if not request.user.is_authenticated:
            raise NotAuthenticated("Send `Authorization: Api-Key <prefix>.<secret>` or log in to the admin.")
        if not has_scope(request.user, scope):
            raise PermissionDenied(f"This needs the scope `{scope}`.")
        return True


def required_scope(request: Request, view: Any) -> str | None:
    """Return the scope that this request needs, None when it is open."""
    declared: Any = getattr(view, "required_scopes", {})
    if declared is None or isinstance(declared, str):
        return declared
    default = "read" if request.method == "OPTIONS" else STRICTEST
    scope: Any = _declared(declared, request, view)
    return default if scope is MISSING else scope


def has_scope(user: Any, scope: str) -> bool:
    """Say whether a client or a staff user holds a scope: staff read, and change what Django lets them change."""
    if isinstance(user, ClientPrincipal):
        return scope in user.scopes
    if not user.is_authenticated or not user.is_staff:
        return False
    return scope == "read" or user.is_superuser or user.has_perm(STAFF_PERMISSIONS.get(scope, ""))


class KnownQueryParameters(BasePermission):
    """Refuses query parameters that the endpoint does not read, so that a typo is never silently ignored."""

    def has_permission(self, request: Request, view: Any) -> bool:
        """Say yes, or name the unknown.

        Raises:
            UnknownField: with a message per parameter.
        """
        if getattr(view, "query_params", ()) is None:
            return True
        known = known_query_params(request, view)
        unknown = [name for name in request.query_params if name not in known]
        if unknown:
            hint = f"Known: {', '.join(sorted(known))}." if known else "There are none here."
            raise UnknownField({name: [f"There is no such parameter. {hint}"] for name in unknown})
        return True


def known_query_params(request: Request, view: Any) -> set[str]:
    """Return every query parameter that the view reads for this request."""
    declared = getattr(view, "query_params", ())
    if isinstance(declared, dict):
        found = _declared(declared, request, view)
        declared = () if found is MISSING else found
    known = set(declared)
    if _is_list(request, view):
        known |= _names_of_list(view)
    return known


def _declared(declared: dict[str, Any], request: Request, view: Any) -> Any:
    method = "GET" if request.method == "HEAD" else request.method or "GET"
    action = getattr(view, "action", None)
    return declared.get(action, declared.get(method, MISSING)) if action else declared.get(method, MISSING)


def _is_list(request: Request, view: Any) -> bool:
    is_detail = getattr(view, "detail", None)
    return request.method in ("GET", "HEAD") and hasattr(view, "paginator") and not is_detail


def _names_of_list(view: Any) -> set[str]:
    names = set(view.paginator.query_params if view.paginator else ())
    if getattr(view, "ordering_fields", None):
        names.add("ordering")
    filterset = getattr(view, "filterset_class", None)
    return names | set(filterset.base_filters if filterset else ())
