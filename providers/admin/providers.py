"""Providers: whether each could answer now and when it last did, with its models, pools and keys on one page."""

from typing import TYPE_CHECKING, Any, TypeVar

from django.contrib import admin, messages
from django.core.exceptions import ValidationError
from django.db.models import Model, QuerySet
from django.http import HttpRequest
from django.utils.html import format_html
from django.utils.safestring import SafeString

from providers.admin.base import PreparedAdmin, titled
from providers.admin.show import ago, badge, link
from providers.environment import is_base_url
from providers.models import ApiKey, LanguageModel, LimitPool, Provider
from providers.overview import provider_state
from providers.selectors import provider_can_answer, providers_at_a_glance, usable_counts

# Where keys are sent, and how: who may change these could have all keys sent to a host of their own.
SENSITIVE_FIELDS = ("base_url", "chat_path", "auth_style", "extra_headers", "key_check", "env_prefix")
_M = TypeVar("_M", bound=Model)

if TYPE_CHECKING:

    class _Inline(admin.TabularInline[_M, Provider]):
        """The stubs know the models of an inline, Django itself does not."""
else:

    class _Inline(admin.TabularInline):
        def __class_getitem__(cls, _model: type[Model]) -> type:
            return cls


class ReadOnlyInline(_Inline[_M]):
    """Rows to look at, each with a link to its own page."""

    extra = 0
    can_delete = False
    show_change_link = True

    def has_add_permission(self, request: HttpRequest, obj: Any = None) -> bool:
        return False

    def has_change_permission(self, request: HttpRequest, obj: Any = None) -> bool:
        return False


class ModelInline(ReadOnlyInline[LanguageModel]):
    model = LanguageModel
    fields = ("name", "tier", "is_default", "lane", "lane_reason", "lane_until")


class PoolInline(ReadOnlyInline[LimitPool]):
    model = LimitPool
    fields = ("name", "resting_until", "resting_reason")


class KeyInline(ReadOnlyInline[ApiKey]):
    model = ApiKey
    fields = ("label", "last4", "source", "state", "state_reason", "state_until", "last_ok_at")
    readonly_fields = ("last4",)


def base_url_check(text: str) -> None:
    """Refuse an address that request paths cannot be added to."""
    if not is_base_url(text):
        raise ValidationError("An address like https://host/v1 is needed, without user name or query.")


@admin.register(Provider)
class ProviderAdmin(PreparedAdmin[Provider]):
    list_display = ("label", "state_shown", "keys_shown", "last_ok_shown", "enabled_shown", "protocol_shown")
    list_filter = (("is_enabled", titled("asked", admin.BooleanFieldListFilter)), "service", "protocol")
    search_fields = ("name", "label")
    inlines = (ModelInline, PoolInline, KeyInline)
    readonly_fields = ("state_shown", "last_ok_shown", "source", "checked_on")
    actions = ("turn_on", "turn_off")
    fieldsets = (
        (None, {"fields": ("name", "label", "state_shown", "last_ok_shown", "is_enabled", "service")}),
        (
            "Where it is asked",
            {"fields": ("protocol", "base_url", "chat_path", "auth_style", "needs_key", "env_prefix")},
        ),
        (
            "How it is asked",
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
        if db_field.name != "base_url":
            return super().formfield_for_dbfield(db_field, request, **options)
        field: Any = super().formfield_for_dbfield(db_field, request, assume_scheme="https", **options)
        field.validators = [*field.validators, base_url_check]
        field.help_text = "Keys are sent to this host and to no other."
        return field

    def has_delete_permission(self, request: HttpRequest, obj: Any = None) -> bool:
        return False  # its usage must stay whole, and the catalogue would bring it back: it is turned off instead

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
