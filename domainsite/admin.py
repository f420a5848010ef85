"""Client keys in the admin: made and revoked here, their secret shown once."""

from typing import Any

from django import forms
from django.contrib import admin, messages
from django.db.models import QuerySet
from django.http import HttpRequest
from django.utils import timezone

from domainsite.models import ClientKey
from domainsite.services import client_key_create, client_key_revoke


class ClientKeyForm(forms.ModelForm):
    """What staff decide about a key."""

    scopes = forms.MultipleChoiceField(choices=ClientKey.Scope.choices, widget=forms.CheckboxSelectMultiple)

    class Meta:
        model = ClientKey
        fields = ["name", "scopes", "expires_at"]


@admin.register(ClientKey)
class ClientKeyAdmin(admin.ModelAdmin):
    """A key is changed by revoking it and making another; records keep its name."""

    form = ClientKeyForm
    list_display = ["name", "prefix", "shown_scopes", "state", "expires_at", "last_used_at", "created_by"]
    search_fields = ["name", "prefix"]
    readonly_fields = ["prefix", "state", "last_used_at", "created_by", "created_at"]
    actions = ["revoke"]

    def has_change_permission(self, request: HttpRequest, obj: ClientKey | None = None) -> bool:
        return False

    def has_delete_permission(self, request: HttpRequest, obj: ClientKey | None = None) -> bool:
        return False

    def get_readonly_fields(self, request: HttpRequest, obj: ClientKey | None = None) -> list[str]:
        return self.readonly_fields if obj else []

    def get_fields(self, request: HttpRequest, obj: ClientKey | None = None) -> list[Any]:
        return ["name", "scopes", "expires_at", *self.get_readonly_fields(request, obj)]

    def save_model(self, request: HttpRequest, obj: ClientKey, form: Any, change: bool) -> None:
        values = form.cleaned_data
        made, text = client_key_create(
            name=values["name"],
            scopes=values["scopes"],
            expires_at=values["expires_at"],
            actor=request.user.get_username(),
        )
        obj.pk = made.pk
        obj.prefix = made.prefix
        messages.warning(request, f"The key, shown this once: {text}")

    @admin.display(description="scopes")
    def shown_scopes(self, key: ClientKey) -> str:
        """Return the scopes as a line."""
        return ", ".join(key.scopes)

    @admin.display
    def state(self, key: ClientKey) -> str:
        """Return whether the key can be used."""
        if key.revoked_at:
            return "revoked"
        return "expired" if key.expires_at and key.expires_at <= timezone.now() else "usable"

    @admin.action(description="Revoke for good", permissions=["revoke"])
    def revoke(self, request: HttpRequest, keys: QuerySet[ClientKey]) -> None:
        """End the chosen keys."""
        n_revoked = sum(client_key_revoke(name=key.name) for key in keys)
        messages.info(request, f"Revoked {n_revoked} keys.")

    def has_revoke_permission(self, request: HttpRequest) -> bool:
        """Revoking needs the permission to change keys, although nothing else about them can be changed."""
        return request.user.has_perm("domainsite.change_clientkey")
