"""Strict input for this app and those above: a name that an endpoint does not take is refused, never ignored."""

from typing import Any

from rest_framework import serializers
from rest_framework.exceptions import ErrorDetail, PermissionDenied, ValidationError
from rest_framework.request import Request


class Parameters(serializers.Serializer[Any]):
    """The parameters of an endpoint; any other name is refused as `unknown_field`."""

    def to_internal_value(self, data: Any) -> Any:
        unknown = [name for name in data if name not in self.fields]
        if unknown:
            known = ", ".join(self.fields)
            text = f"There is no such field. Known: {known}." if known else "This takes no fields."
            raise ValidationError(
                {printable(name): [ErrorDetail(text, code="unknown_field")] for name in unknown}
            )
        return super().to_internal_value(data)


class Nothing(Parameters):
    """No parameters at all."""


class Reason(Parameters):
    """Why something is taken out of service, for those who find it so."""

    reason = serializers.CharField(max_length=150, required=False)


def printable(text: str) -> str:
    """A caller's own words as they may stand in an answer: short, and without what JSON cannot hold."""
    return text[:100].encode("utf-8", "replace").decode()


def read_body(request: Request, parameters: type[Parameters]) -> dict[str, Any]:
    """Return the checked parameters of the body. Raises `ValidationError`."""
    serializer = parameters(data=request.data)
    serializer.is_valid(raise_exception=True)
    return dict(serializer.validated_data)


def staff_permission_check(request: Request, permission: str) -> None:
    """Hold staff to their own permission, where the scope alone says too little. Raises `PermissionDenied`.

    Clients have scopes only, so that they pass.
    """
    user: Any = request.user
    if getattr(user, "is_staff", False) and not user.has_perm(permission):
        raise PermissionDenied(f"This needs the permission `{permission}`.")
