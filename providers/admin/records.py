"""What happened: the steps in the life of keys, and what calls used. Records, to be read only."""

from collections.abc import Iterable

from django.contrib import admin
from django.db.models import QuerySet
from django.http import HttpRequest
from django.utils.safestring import SafeString

from providers.admin.base import RecordAdmin
from providers.admin.show import DASH, ago, badge, link, usd
from providers.models import KeyEvent, UsageBucket
from providers.protocols.base import Outcome


class OutcomeFilter(admin.SimpleListFilter):
    """Filters by outcome; the words are fixed, so that no scan looks for distinct values."""

    title = "outcome"
    parameter_name = "outcome"

    def lookups(self, request: HttpRequest, model_admin: object) -> Iterable[tuple[str, str]]:
        return [(outcome.value, outcome.value.replace("_", " ")) for outcome in Outcome]

    def queryset(self, request: HttpRequest, queryset: QuerySet[UsageBucket]) -> QuerySet[UsageBucket]:
        return queryset.filter(outcome=self.value()) if self.value() else queryset


@admin.register(KeyEvent)
class KeyEventAdmin(RecordAdmin[KeyEvent]):
    list_display = ("created_at", "key_shown", "from_state", "to_shown", "cause", "actor", "until")
    list_filter = ("to_state", "key__provider")
    list_select_related = ("key__provider",)
    ordering = ("-id",)

    @admin.display(description="key")
    def key_shown(self, event: KeyEvent) -> SafeString:
        return link("providers_apikey_change", event.key, pk=event.key_id)

    @admin.display(description="to")
    def to_shown(self, event: KeyEvent) -> SafeString:
        return badge(event.to_state, event.get_to_state_display())


@admin.register(UsageBucket)
class UsageBucketAdmin(RecordAdmin[UsageBucket]):
    """One row per minute, model, key, outcome and drain; `-bucket_at` reads the unique index backwards."""

    list_display = (
        "bucket_shown", "model", "key_shown", "outcome_shown", "calls_shown", "tokens_shown", "cost_shown",
        "latency_shown",
    )  # fmt: skip
    list_filter = ("provider", OutcomeFilter)
    list_select_related = ("model__provider", "key__provider")
    ordering = ("-bucket_at",)

    @admin.display(description="minute", ordering="bucket_at")
    def bucket_shown(self, bucket: UsageBucket) -> SafeString:
        return ago(bucket.bucket_at)

    @admin.display(description="key")
    def key_shown(self, bucket: UsageBucket) -> str:
        return f"{bucket.key.label or 'key'}{f' …{bucket.key.last4}' if bucket.key.last4 else ''}"

    @admin.display(description="outcome", ordering="outcome")
    def outcome_shown(self, bucket: UsageBucket) -> str:
        return bucket.outcome.replace("_", " ")

    @admin.display(description="calls", ordering="n_calls")
    def calls_shown(self, bucket: UsageBucket) -> str:
        return f"{bucket.n_calls:,}"

    @admin.display(description="tokens in, out")
    def tokens_shown(self, bucket: UsageBucket) -> str:
        return f"{bucket.input_tokens:,}, {bucket.output_tokens:,}"

    @admin.display(description="cost")
    def cost_shown(self, bucket: UsageBucket) -> str:
        """Show what is known; unpriced calls are named, never counted as free."""
        unpriced = f"{bucket.n_unpriced} unpriced" if bucket.n_unpriced else ""
        priced = usd(bucket.cost_usd) if bucket.n_unpriced < bucket.n_calls else ""
        return ", ".join(filter(None, (priced, unpriced)))

    @admin.display(description="mean latency")
    def latency_shown(self, bucket: UsageBucket) -> str:
        return f"{bucket.latency_ms_sum // bucket.n_calls:,} ms" if bucket.n_calls else DASH
