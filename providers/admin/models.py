"""Language models: which are asked, and why one is not."""

from typing import Any

from django.contrib import admin, messages
from django.db.models import QuerySet
from django.http import HttpRequest
from django.utils.html import format_html
from django.utils.safestring import SafeString

from providers.admin.base import PreparedAdmin, actor_name, titled
from providers.admin.show import ago, badge
from providers.models import LanguageModel, ModelPrice
from providers.selectors import blocked_reasons
from providers.services import lane_activate, lane_pause, refusals_forget


class PriceInline(admin.TabularInline):
    """Prices that staff enter go before the maintained price data from their day on."""

    model = ModelPrice
    extra = 0
    verbose_name = "own price"
    verbose_name_plural = "own prices, in USD per million tokens"


@admin.register(LanguageModel)
class LanguageModelAdmin(PreparedAdmin[LanguageModel]):
    list_display = ("name", "provider", "asked_shown", "default_shown", "tier")
    list_filter = (
        "provider",
        "lane",
        ("is_default", titled("default", admin.BooleanFieldListFilter)),
        "tier",
    )
    list_select_related = ("provider",)
    search_fields = ("name", "provider__name")
    readonly_fields = ("lane_shown", "refused_fields", "source", "checked_on")
    actions = ("pause", "activate", "refusals_forgotten")
    inlines = (PriceInline,)
    fieldsets = (
        (None, {"fields": ("provider", "name", "tier", "is_default", "lane_shown")}),
        (
            "How it is asked",
            {
                "fields": (
                    "max_output_tokens", "context_tokens", "accepts_temperature", "request_options", "refused_fields",
                )
            },
        ),
        ("Price", {"fields": ("price_name", "input_usd_per_mtok", "output_usd_per_mtok")}),
        ("Facts", {"classes": ("collapse",), "fields": ("source", "checked_on")}),
    )  # fmt: skip

    def get_readonly_fields(self, request: HttpRequest, obj: LanguageModel | None = None) -> tuple[str, ...]:
        return (*self.readonly_fields, *(("provider", "name") if obj else ()))

    def has_delete_permission(self, request: HttpRequest, obj: LanguageModel | None = None) -> bool:
        """Staff may delete what staff made; the catalogue would bring the others back."""
        is_of_catalogue = obj is not None and bool(obj.catalogue_values)
        return super().has_delete_permission(request, obj) and not is_of_catalogue

    def get_actions(self, request: HttpRequest) -> dict[str, Any]:
        actions = super().get_actions(request)
        actions.pop("delete_selected", None)  # it asks about the page as a whole, not about each row
        return actions

    def rows_prepare(self, request: HttpRequest, rows: list[LanguageModel]) -> None:
        reasons = blocked_reasons(row.pk for row in rows)
        for row in rows:
            row.blocked = reasons.get(row.pk, "")  # type: ignore[attr-defined]

    @admin.display(description="lane")
    def lane_shown(self, model: LanguageModel) -> SafeString:
        if model.lane == LanguageModel.Lane.ACTIVE:
            return badge("active", "asked")
        until = ago(model.lane_until) if model.lane_until else "staff activate it"
        return format_html("{} {} until {}", badge(model.lane, model.lane), model.lane_reason, until)

    @admin.display(description="default", ordering="is_default", boolean=True)
    def default_shown(self, model: LanguageModel) -> bool:
        return model.is_default

    @admin.display(description="can be asked now")
    def asked_shown(self, model: LanguageModel) -> SafeString:
        blocked: str = model.blocked  # type: ignore[attr-defined]
        until = format_html(", until {}", ago(model.lane_until)) if model.lane_until and blocked else ""
        return (
            badge("active", "yes")
            if not blocked
            else format_html("{} {}{}", badge("off", "no"), blocked, until)
        )

    @admin.action(permissions=["change"], description="Pause lane: ask nothing until activated")
    def pause(self, request: HttpRequest, queryset: QuerySet[LanguageModel]) -> None:
        actor = actor_name(request)
        n_paused = sum(
            lane_pause(model_id=model.pk, reason="paused by staff", actor=actor) for model in queryset
        )
        messages.success(request, f"{n_paused} paused.")

    @admin.action(permissions=["change"], description="Activate: ask again")
    def activate(self, request: HttpRequest, queryset: QuerySet[LanguageModel]) -> None:
        n_activated = sum(lane_activate(model_id=model.pk) for model in queryset)
        messages.success(request, f"{n_activated} activated.")

    @admin.action(permissions=["change"], description="Forget which request fields it refused")
    def refusals_forgotten(self, request: HttpRequest, queryset: QuerySet[LanguageModel]) -> None:
        n_changed = sum(refusals_forget(model_id=model.pk) for model in queryset)
        messages.success(request, f"{n_changed} will be sent all fields again.")
