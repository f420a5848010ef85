"""Providers: the list with whether each could answer now and when it last did, and the facts that staff may change.

What the page of one shows beside these facts stands in `provider_page`.
"""

from typing import Any

from django.contrib import admin, messages
from django.core.exceptions import PermissionDenied, ValidationError
from django.db.models import QuerySet
from django.http import HttpRequest, HttpResponse, HttpResponseRedirect
from django.shortcuts import get_object_or_404
from django.urls import URLPattern, path, reverse
from django.utils.html import format_html
from django.utils.safestring import SafeString
from django.views.decorators.http import require_POST

from providers.admin.base import PreparedAdmin, titled
from providers.admin.provider_page import page_context, verb_do
from providers.admin.show import ago, badge, link
from providers.environment import is_base_url
from providers.models import Provider
from providers.overview import provider_state
from providers.selectors import provider_can_answer, providers_at_a_glance, usable_counts

# Where keys are sent, and how: who may change these could have all keys sent to a host of their own.
SENSITIVE_FIELDS = ("base_url", "chat_path", "auth_style", "extra_headers", "key_check", "env_prefix")


def base_url_check(text: str) -> None:
    """Refuse an address that request paths cannot be added to."""
    if not is_base_url(text):
        raise ValidationError("An address like https://host/v1 is needed, without user name or query.")


@admin.register(Provider)
class ProviderAdmin(PreparedAdmin[Provider]):
    list_display = ("label", "state_shown", "keys_shown", "last_ok_shown", "enabled_shown", "protocol_shown")
    list_filter = (("is_enabled", titled("asked", admin.BooleanFieldListFilter)), "service", "protocol")
    search_fields = ("name", "label")
    change_form_template = "admin/providers/provider/change_form.html"
    readonly_fields = ("source", "checked_on")
    actions = ("turn_on", "turn_off")
    fieldsets = (
        (None, {"fields": ("name", "label", "is_enabled", "service")}),
        (
            "Where it is asked",
            {
                "classes": ("collapse",),
                "fields": ("protocol", "base_url", "chat_path", "auth_style", "needs_key", "env_prefix"),
            },
        ),
        (
            "What is sent",
            {
                "classes": ("collapse",),
                "fields": ("output_cap_field", "extra_body", "extra_headers", "quirks", "key_check"),
            },
        ),
        (
            "Facts",
            {"classes": ("collapse",), "fields": ("price_provider", "is_simulated", "source", "checked_on")},
        ),
    )

    def get_queryset(self, request: HttpRequest) -> QuerySet[Provider]:
        return providers_at_a_glance().order_by("name")

    def get_readonly_fields(self, request: HttpRequest, obj: Provider | None = None) -> tuple[str, ...]:
        named = ("name",) if obj else ()
        return (*self.readonly_fields, *named, *(() if request.user.is_superuser else SENSITIVE_FIELDS))

    def formfield_for_dbfield(self, db_field: Any, request: HttpRequest, **options: Any) -> Any:
        if db_field.name == "is_enabled":
            options["label"] = "Asked"
        if db_field.name != "base_url":
            return super().formfield_for_dbfield(db_field, request, **options)
        field: Any = super().formfield_for_dbfield(db_field, request, assume_scheme="https", **options)
        field.validators = [*field.validators, base_url_check]
        field.help_text = "Keys are sent to this host and to no other."
        return field

    def has_delete_permission(self, request: HttpRequest, obj: Any = None) -> bool:
        return False  # its usage must stay whole, and the catalogue would bring it back: it is turned off instead

    def get_fieldsets(self, request: HttpRequest, obj: Provider | None = None) -> Any:
        """Leave all open for a new one: its address must be entered."""
        if obj is not None:
            return self.fieldsets
        return [(name, {"fields": options["fields"]}) for name, options in self.fieldsets]

    def get_urls(self) -> list[URLPattern]:
        """Add the buttons of a provider's page."""
        view = self.admin_site.admin_view(require_POST(self.verb_view))
        pattern = "<int:provider_id>/<slug:kind>/<int:pk>/<slug:verb>/do/"
        return [path(pattern, view, name="providers_provider_verb"), *super().get_urls()]

    def verb_view(
        self, request: HttpRequest, provider_id: int, kind: str, pk: int, verb: str
    ) -> HttpResponse:
        """Do one verb to a key or model and go back to the provider's page."""
        provider = get_object_or_404(Provider, pk=provider_id)
        if not self.has_view_permission(request, provider):
            raise PermissionDenied
        verb_do(request, provider, kind=kind, pk=pk, verb=verb)
        return HttpResponseRedirect(reverse("admin:providers_provider_change", args=[provider_id]))

    def change_view(
        self,
        request: HttpRequest,
        object_id: str,
        form_url: str = "",
        extra_context: dict[str, Any] | None = None,
    ) -> HttpResponse:
        provider = self.get_object(request, object_id)
        extra = extra_context or {}
        if provider is not None and self.has_view_permission(request, provider):
            extra |= page_context(provider, request=request)
        return super().change_view(request, object_id, form_url, extra)

    def rows_prepare(self, request: HttpRequest, rows: list[Provider]) -> None:
        counts = usable_counts(row.pk for row in rows)
        for row in rows:
            row.n_usable = counts.get(row.pk, 0)  # type: ignore[attr-defined]

    @admin.display(description="state")
    def state_shown(self, provider: Provider) -> SafeString:
        return badge(state_of(provider))

    @admin.display(description="usable keys")
    def keys_shown(self, provider: Provider) -> SafeString:
        n_usable = _n_usable(provider) if provider_can_answer(provider) else 0
        text = f"{n_usable} of {_figure(provider, 'n_keys')}"
        return link("providers_apikey_changelist", text, query=f"?provider__id__exact={provider.pk}")

    @admin.display(description="asked", ordering="is_enabled", boolean=True)
    def enabled_shown(self, provider: Provider) -> bool:
        return provider.is_enabled

    @admin.display(description="wire format", ordering="protocol")
    def protocol_shown(self, provider: Provider) -> SafeString:
        return format_html('<span title="{}">{}</span>', provider.get_protocol_display(), provider.protocol)

    @admin.display(description="last success")
    def last_ok_shown(self, provider: Provider) -> SafeString:
        return ago(_figure(provider, "last_ok_at"))

    @admin.action(permissions=["change"], description="Turn on")
    def turn_on(self, request: HttpRequest, queryset: QuerySet[Provider]) -> None:
        n_changed = Provider.objects.filter(pk__in=queryset.values("pk"), is_enabled=False).update(
            is_enabled=True
        )
        messages.success(request, f"{n_changed} turned on.")

    @admin.action(permissions=["change"], description="Turn off: its models are asked nothing")
    def turn_off(self, request: HttpRequest, queryset: QuerySet[Provider]) -> None:
        n_changed = Provider.objects.filter(pk__in=queryset.values("pk"), is_enabled=True).update(
            is_enabled=False
        )
        messages.success(request, f"{n_changed} turned off.")


def state_of(provider: Provider) -> str:
    """Return the state of a provider from the list, or of one on its own page."""
    return provider_state(
        provider,
        n_usable=_n_usable(provider),
        has_default=bool(_figure(provider, "has_default")),
        last_ok_at=_figure(provider, "last_ok_at"),
    )


def _n_usable(provider: Provider) -> int:
    prepared: int | None = getattr(provider, "n_usable", None)
    return usable_counts([provider.pk]).get(provider.pk, 0) if prepared is None else prepared


def _figure(provider: Provider, name: str) -> Any:
    """Return an annotated figure; a provider that is only being added has none."""
    return getattr(provider, name, None) or (0 if name == "n_keys" else None)
