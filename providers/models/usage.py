"""What calls used, by minute and maker, and how long answers took."""

from decimal import Decimal

from django.db import models

from providers.models.catalogue import LanguageModel, Provider
from providers.models.keys import ApiKey


class UsageBucket(models.Model):
    """Calls of one minute, by who made them, with what and how they ended; summed on read, so no row is hot."""

    bucket_at = models.DateTimeField(help_text="Start of the minute, UTC.")
    drain = models.UUIDField(help_text="Who made the calls: an opaque id.")
    provider = models.ForeignKey(Provider, on_delete=models.PROTECT, related_name="+")
    model = models.ForeignKey(LanguageModel, on_delete=models.PROTECT, related_name="+")
    key = models.ForeignKey(ApiKey, on_delete=models.PROTECT, related_name="+")
    outcome = models.CharField(max_length=20)
    n_calls = models.PositiveIntegerField(default=0)
    input_tokens = models.PositiveBigIntegerField(default=0)
    output_tokens = models.PositiveBigIntegerField(default=0)
    reasoning_tokens = models.PositiveBigIntegerField(default=0)
    cached_tokens = models.PositiveBigIntegerField(default=0)
    cost_usd = models.DecimalField(max_digits=16, decimal_places=8, default=Decimal(0))
    n_unpriced = models.PositiveIntegerField(default=0, help_text="Calls whose cost is not known.")
    latency_ms_sum = models.PositiveBigIntegerField(default=0)
    latency_ms_max = models.PositiveIntegerField(default=0)

    class Meta:
        constraints = [
            models.UniqueConstraint(
                fields=["bucket_at", "drain", "model", "key", "outcome"], name="usagebucket_unique"
            )
        ]
        indexes = [models.Index(fields=["provider", "bucket_at"], name="usagebucket_provider_time")]

    def __str__(self) -> str:
        return f"{self.bucket_at:%Y-%m-%d %H:%M} {self.model_id} {self.outcome}: {self.n_calls}"


class LatencyCount(models.Model):
    """How many calls of ten minutes got a reply within a band of latencies (`providers.rules.latency`)."""

    bucket_at = models.DateTimeField(help_text="Start of the ten minutes, UTC.")
    drain = models.UUIDField(help_text="Who made the calls: an opaque id.")
    provider = models.ForeignKey(Provider, on_delete=models.PROTECT, related_name="+", db_index=False)
    model = models.ForeignKey(LanguageModel, on_delete=models.PROTECT, related_name="+", db_index=False)
    key = models.ForeignKey(ApiKey, on_delete=models.PROTECT, related_name="+", db_index=False)
    band = models.PositiveSmallIntegerField()
    n_calls = models.PositiveIntegerField(default=0)

    class Meta:
        constraints = [
            # providers.usage_figures reads by time, so it comes first
            models.UniqueConstraint(
                fields=["bucket_at", "drain", "model", "key", "band"], name="latencycount_unique"
            )
        ]

    def __str__(self) -> str:
        return f"{self.bucket_at:%Y-%m-%d %H:%M} {self.model_id} band {self.band}: {self.n_calls}"
