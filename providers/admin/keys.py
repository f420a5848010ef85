"""Keys: entered once and never shown again, their state with its reason, and what became of them.

The secret comes in through a password field and goes straight to the service; this module never stores, logs or
renders it. Environment keys can be read here and taken out of service, nothing else.
"""

from typing import Any

from django import forms
from django.contrib import admin, messages
from django.db.models import QuerySet
from django.http import HttpRequest, HttpResponse, HttpResponseRedirect
from django.urls import reverse
from django.utils.decorators import method_decorator
from django.utils.html import format_html, format_html_join
from django.utils.safestring import SafeString
from django.views.decorators.debug import sensitive_post_parameters, sensitive_variables

from providers.admin.base import PreparedAdmin, actor_name, error_show
from providers.admin.provider_page import key_test_show
from providers.admin.show import DASH, ago, badge, link
from providers.errors import ApplicationError
from providers.models import ApiKey, LimitPool, Provider
from providers.rules.secret import Secret
from providers.services import (
    key_create,
    key_disable,
    key_enable,
    key_secret_check,
    key_secret_replace,
)

TIMELINE_LENGTH = 30
TESTED_AT_ONCE = 10  # each waits up to 15 s for its provider, within one request


class KeyForm(forms.ModelForm):
    """Takes a key; left blank on a stored one the secret stays as it is."""

    secret = forms.CharField(
        label="Key",
        required=False,
        widget=forms.PasswordInput(render_value=False, attrs={"autocomplete": "new-password", "size": 60}),
        help_text="Stored encrypted and never shown again.",
    )
    test_now = forms.BooleanField(label="Test it after saving", required=False)

    class Meta:
        model = ApiKey
        fields = ("provider", "label", "pool")

    def __init__(self, *args: Any, **options: Any) -> None:
        super().__init__(*args, **options)
        is_new = self.instance.pk is None
        self.fields["test_now"].initial = is_new
        if "secret" in self.fields and not is_new:
            self.fields["secret"].help_text = "Leave it blank to keep the stored key."
        if "pool" in self.fields:
            pools = LimitPool.objects.select_related("provider")
            pool_field = self.fields["pool"]
            pool_field.queryset = pools if is_new else pools.filter(provider=self.instance.provider_id)  # type: ignore[attr-defined]
            pool_field.required = not is_new
            pool_field.help_text = (
                "Keys of one account share a pool. Empty: the provider's default pool." if is_new else ""
            )

    @sensitive_variables()
    def clean_secret(self) -> Secret | None:
        text: str = self.cleaned_data["secret"]
        if not text and self.instance.pk is None:
            raise forms.ValidationError("Enter the key.")
        return Secret(text) if text else None

    @sensitive_variables()
    def clean(self) -> dict[str, Any]:
        cleaned = super().clean() or self.cleaned_data
        provider = cleaned.get("provider") or (self.instance.provider if self.instance.provider_id else None)
        secret, pool = cleaned.get("secret"), cleaned.get("pool")
        if provider and pool and pool.provider_id != provider.pk:
            self.add_error("pool", "This pool belongs to another provider.")
        if provider and secret:
            try:
                key_secret_check(
                    provider=provider, secret=secret, but=self.instance if self.instance.pk else None
                )
            except ApplicationError as error:
                self.add_error("secret", error.message)
        return cleaned


@admin.register(ApiKey)
class ApiKeyAdmin(PreparedAdmin[ApiKey]):
    form = KeyForm
    list_display = ("name_shown", "provider", "state_shown", "last_ok_shown", "last_error_shown")
    list_filter = ("state", "source", "provider")
    list_select_related = ("provider", "pool__provider")
    search_fields = ("label", "last4", "environment_name")
    actions = ("test_keys", "disable", "enable")
    shown = (
        "secret_shown", "source", "environment_name", "state_shown", "last_ok_shown", "last_error_shown", "timeline",
    )  # fmt: skip

    def get_fieldsets(self, request: HttpRequest, obj: ApiKey | None = None) -> Any:
        if obj is None:
            return [(None, {"fields": ("provider", "label", "secret", "pool", "test_now")})]
        is_editable = obj.source == ApiKey.Source.STAFF and self.has_change_permission(request, obj)
        edited = ("label", "pool", *(("secret", "test_now") if is_editable else ()))
        return [
            (None, {"fields": ("provider", *edited)}),
            ("State", {"fields": self.shown}),
        ]

    def get_readonly_fields(self, request: HttpRequest, obj: ApiKey | None = None) -> tuple[str, ...]:
        if obj is None:
            return ()
        is_editable = obj.source == ApiKey.Source.STAFF
        return ("provider", *self.shown, *(() if is_editable else ("label", "pool")))

    def formfield_for_foreignkey(self, db_field: Any, request: HttpRequest, **options: Any) -> Any:
        if db_field.name == "provider":
            options["queryset"] = Provider.objects.order_by("label")
        return super().formfield_for_foreignkey(db_field, request, **options)

    def has_delete_permission(self, request: HttpRequest, obj: ApiKey | None = None) -> bool:
        """The environment's keys would come back."""
        is_held_elsewhere = obj is not None and obj.source != ApiKey.Source.STAFF
        return super().has_delete_permission(request, obj) and not is_held_elsewhere

    def get_actions(self, request: HttpRequest) -> dict[str, Any]:
        actions = super().get_actions(request)
        actions.pop("delete_selected", None)  # it asks about the page as a whole, not about each row
        return actions

    @method_decorator(sensitive_post_parameters("secret"))
    def changeform_view(
        self,
        request: HttpRequest,
        object_id: str | None = None,
        form_url: str = "",
        extra_context: Any = None,
    ) -> HttpResponse:
        try:
            return super().changeform_view(request, object_id, form_url, extra_context)
        except ApplicationError as error:  # somebody entered the same key in the same instant
            error_show(request, error)
            return HttpResponseRedirect(reverse("admin:providers_apikey_changelist"))

    @sensitive_variables()
    def save_model(self, request: HttpRequest, obj: ApiKey, form: KeyForm, change: bool) -> None:
        """Hand the key to the service, which encrypts it for its row."""
        cleaned, actor = form.cleaned_data, actor_name(request)
        secret: Any = cleaned.get("secret")
        if change:
            super().save_model(request, obj, form, change)
            if secret:
                key_secret_replace(key=obj, secret=secret, actor=actor)
        else:
            stored = key_create(
                provider=cleaned["provider"],
                secret=secret,
                label=cleaned["label"],
                pool=cleaned["pool"],
                actor=actor,
            )
            obj.__dict__.update(stored.__dict__)
        if cleaned.get("test_now"):
            self._test(request, obj)

    @admin.display(description="key", ordering="label")
    def name_shown(self, key: ApiKey) -> SafeString:
        ending = f" …{key.last4}" if key.last4 else ""
        where = f"{key.get_source_display()}, pool {key.pool.name}"
        return format_html('{}{}<span class="why quiet">{}</span>', key.label or "key", ending, where)

    @admin.display(description="key")
    def secret_shown(self, key: ApiKey) -> str:
        if key.source == ApiKey.Source.NONE:
            return "none is needed"
        return f"•••• {key.last4}" if key.last4 else "••••"

    @admin.display(description="state", ordering="state")
    def state_shown(self, key: ApiKey) -> SafeString:
        words = [(key.state_reason,)] if key.state_reason else []
        if key.state_until:
            words.append((format_html("Tried again {}", ago(key.state_until)),))
        return format_html(
            "{}{}", badge(key.state), format_html_join("", '<span class="why quiet">{}</span>', words)
        )

    @admin.display(description="last success", ordering="last_ok_at")
    def last_ok_shown(self, key: ApiKey) -> SafeString:
        return ago(key.last_ok_at) if key.last_ok_at else SafeString("never worked")

    @admin.display(description="last error", ordering="last_error_at")
    def last_error_shown(self, key: ApiKey) -> SafeString:
        return (
            format_html('{}<span class="why quiet">{}</span>', ago(key.last_error_at), key.last_error)
            if key.last_error_at
            else SafeString(DASH)
        )

    @admin.display(description="time line")
    def timeline(self, key: ApiKey) -> SafeString:
        """Show the newest events; a busy key has thousands, so the rest stands on a page of its own."""
        events = key.events.all()[:TIMELINE_LENGTH]
        rows = ((ago(e.created_at), e.from_state or "new", e.to_state, e.cause, e.actor) for e in events)
        row = "<li>{} <b>{} → {}</b> {} ({})</li>"
        everything = link("providers_keyevent_changelist", "All events", query=f"?key__id__exact={key.pk}")
        return format_html('<ul class="timeline">{}</ul>{}', format_html_join("", row, rows), everything)

    @admin.action(permissions=["change"], description="Test key: one call to its provider")
    def test_keys(self, request: HttpRequest, queryset: QuerySet[ApiKey]) -> None:
        keys = list(queryset.select_related("provider")[: TESTED_AT_ONCE + 1])
        for key in keys[:TESTED_AT_ONCE]:
            self._test(request, key)
        if len(keys) > TESTED_AT_ONCE:
            messages.warning(request, f"Only the first {TESTED_AT_ONCE} were tested.")

    @admin.action(permissions=["change"], description="Drain key: no new calls, those in flight finish")
    def disable(self, request: HttpRequest, queryset: QuerySet[ApiKey]) -> None:
        actor = actor_name(request)
        n_drained = sum(key_disable(key=key, actor=actor, reason=f"drained by {actor}") for key in queryset)
        messages.success(request, f"{n_drained} out of service.")

    @admin.action(permissions=["change"], description="Enable: put into service")
    def enable(self, request: HttpRequest, queryset: QuerySet[ApiKey]) -> None:
        n_enabled = 0
        for key in queryset.select_related("provider"):
            try:
                n_enabled += key_enable(key=key, actor=actor_name(request))
            except ApplicationError as error:
                error_show(request, error)
        messages.success(request, f"{n_enabled} enabled.")

    def _test(self, request: HttpRequest, key: ApiKey) -> None:
        try:
            key_test_show(request, key)
        except ApplicationError as error:
            error_show(request, error, about=key)
