"""Pools and their limits: what the keys of one account share, and how much that is."""

from typing import Any

from django import forms
from django.contrib import admin, messages
from django.db.models import Count, ForeignKey, QuerySet
from django.http import HttpRequest
from django.utils.safestring import SafeString

from providers.admin.base import PreparedAdmin
from providers.admin.show import DASH, ago
from providers.models import LanguageModel, LearnedLimit, Limit, LimitPool
from providers.services import pool_limits_copy, pool_rest_end

PERIOD_S = {Limit.Resets.DAY: 86_400, Limit.Resets.MONTH: 2_592_000}  # as the catalogue has them, for show


class LimitForm(forms.ModelForm):
    """Says in words what the window of a limit must be."""

    class Meta:
        model = Limit
        fields = ("model", "what", "amount", "per_s", "resets", "reset_zone", "counted_at")
        widgets = {"reset_zone": forms.TextInput(attrs={"size": 12, "class": ""})}

    def clean(self) -> dict[str, Any]:
        cleaned = super().clean() or self.cleaned_data
        is_at_once = cleaned.get("what") == Limit.What.IN_FLIGHT
        if is_at_once:
            cleaned |= {"per_s": 0, "resets": Limit.Resets.ROLLING}
        elif cleaned.get("resets") in PERIOD_S:
            cleaned["per_s"] = PERIOD_S[cleaned["resets"]]
        elif not cleaned.get("per_s"):
            self.add_error("per_s", "Give the window in seconds, e.g. 60.")
        if cleaned.get("amount") == 0:
            self.add_error("amount", "At least 1; to ask nothing, turn the provider off.")
        return cleaned


class LimitInline(admin.TabularInline):
    model = Limit
    form = LimitForm
    extra = 0
    verbose_name = "limit"
    readonly_fields = ("source",)

    def get_formset(self, request: HttpRequest, obj: LimitPool | None = None, **options: Any) -> Any:
        """Offer the pool's own models, without buttons beside the choice: the table is wide already."""
        self._pool = obj
        formset = super().get_formset(request, obj, **options)
        for link in ("add", "change", "view"):
            setattr(formset.form.base_fields["model"].widget, f"can_{link}_related", False)
        return formset

    def formfield_for_foreignkey(
        self, db_field: ForeignKey[Any, Any], request: HttpRequest, **options: Any
    ) -> Any:
        if db_field.name == "model":
            provider_id = self._pool.provider_id if self._pool else None
            options["queryset"] = LanguageModel.objects.filter(provider=provider_id).select_related(
                "provider"
            )
        return super().formfield_for_foreignkey(db_field, request, **options)


@admin.register(LimitPool)
class LimitPoolAdmin(PreparedAdmin[LimitPool]):
    list_display = ("__str__", "limits_shown", "keys_shown", "rest_shown", "resting_reason")
    list_filter = ("provider",)
    list_select_related = ("provider",)
    readonly_fields = ("resting_until", "resting_reason")
    inlines = (LimitInline,)
    actions = ("rest_end",)

    def get_queryset(self, request: HttpRequest) -> QuerySet[LimitPool]:
        pools = super().get_queryset(request).annotate(n_keys=Count("keys"))
        return pools.prefetch_related("limits__model")

    def get_readonly_fields(self, request: HttpRequest, obj: LimitPool | None = None) -> tuple[str, ...]:
        return (*self.readonly_fields, *(("provider",) if obj else ()))

    def save_formset(self, request: HttpRequest, form: Any, formset: Any, change: bool) -> None:
        """Mark what staff changed as theirs, so that no catalogue overwrites it."""
        for limit in formset.save(commit=False):
            limit.source = Limit.Source.STAFF
            limit.save()
        for limit in formset.deleted_objects:
            limit.delete()

    def save_related(self, request: HttpRequest, form: Any, formsets: Any, change: bool) -> None:
        super().save_related(request, form, formsets, change)
        if not change and (n_copied := pool_limits_copy(pool=form.instance)):
            messages.info(
                request, f"{n_copied} limits were copied from the default pool: check that they hold here."
            )

    @admin.display(description="limits")
    def limits_shown(self, pool: LimitPool) -> str:
        return ", ".join(limit_words(limit) for limit in pool.limits.all()) or DASH

    @admin.display(description="keys")
    def keys_shown(self, pool: LimitPool) -> str:
        n_keys: int = pool.n_keys  # type: ignore[attr-defined]  # annotated
        return f"{n_keys} in one pool" if n_keys > 1 else str(n_keys)

    @admin.display(description="resting until")
    def rest_shown(self, pool: LimitPool) -> SafeString:
        return ago(pool.resting_until)

    @admin.action(permissions=["change"], description="End the rest now")
    def rest_end(self, request: HttpRequest, queryset: QuerySet[LimitPool]) -> None:
        n_ended = sum(pool_rest_end(pool_id=pool.pk) for pool in queryset)
        messages.success(request, f"{n_ended} may be asked again.")


def limit_words(limit: Limit | LearnedLimit) -> str:
    """Return a limit in a few words: `500 requests per 60 s`."""
    resets = limit.resets if isinstance(limit, Limit) else Limit.Resets.ROLLING
    window = f" per {limit.per_s:,} s" if limit.per_s else ""
    if resets != Limit.Resets.ROLLING:
        window = f" a {resets}"
    whose = f" of {limit.model.name}" if limit.model else ""
    return f"{limit.amount:,} {limit.get_what_display()}{whose}{window}"
