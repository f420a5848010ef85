"""How much may be asked: pools whose keys share limits, and the limits, configured and learned."""

import zoneinfo

from django.core.exceptions import ValidationError
from django.db import models
from django.db.models import Q

from providers.models.catalogue import LanguageModel, Provider


class LimitPool(models.Model):
    """The account or project at a provider whose limits its keys share."""

    provider = models.ForeignKey(Provider, on_delete=models.CASCADE, related_name="pools")
    name = models.CharField(max_length=60, default="default")
    resting_until = models.DateTimeField(
        null=True, blank=True, help_text="No call before this (no credit, limit)."
    )
    resting_reason = models.CharField(max_length=200, blank=True)

    class Meta:
        ordering = ["provider", "name"]
        constraints = [models.UniqueConstraint(fields=["provider", "name"], name="limitpool_unique_name")]

    def __str__(self) -> str:
        return f"{self.provider.name}/{self.name}"


class Limit(models.Model):
    """How much a pool may use: `amount` of `what` within any `per_s` seconds, or at once for `in_flight`.

    A limit that resets by the calendar counts from the start of the day or month in `reset_zone`; its `per_s`
    is then the length of that period, for show.
    """

    class What(models.TextChoices):
        REQUESTS = "requests", "requests"
        INPUT_TOKENS = "input_tokens", "input tokens"
        OUTPUT_TOKENS = "output_tokens", "output tokens"
        TOKENS = "tokens", "tokens"
        IN_FLIGHT = "in_flight", "calls at once"

    class Resets(models.TextChoices):
        ROLLING = "rolling", "any such window"
        DAY = "day", "at midnight"
        MONTH = "month", "at the start of the month"

    class CountedAt(models.TextChoices):
        ADMISSION = "admission", "when the call arrives"
        COMPLETION = "completion", "when the answer is complete"

    class Source(models.TextChoices):
        CATALOGUE = "catalogue", "catalogue"
        ENVIRONMENT = "environment", "environment"
        STAFF = "staff", "staff"

    pool = models.ForeignKey(LimitPool, on_delete=models.CASCADE, related_name="limits")
    model = models.ForeignKey(
        LanguageModel, on_delete=models.CASCADE, null=True, blank=True, related_name="limits",
        help_text="Empty: all models of the pool together.",
    )  # fmt: skip
    what = models.CharField(max_length=20, choices=What)
    amount = models.PositiveBigIntegerField()
    per_s = models.PositiveIntegerField(default=0, help_text="Window in seconds; 0 for calls at once.")
    resets = models.CharField(max_length=10, choices=Resets, default=Resets.ROLLING)
    reset_zone = models.CharField(
        max_length=40, default="UTC", help_text="Where midnight is, e.g. America/Los_Angeles."
    )
    counted_at = models.CharField(
        max_length=10, choices=CountedAt, default=CountedAt.ADMISSION, help_text="When tokens are counted."
    )
    source = models.CharField(max_length=12, choices=Source, default=Source.STAFF)

    class Meta:
        ordering = ["pool", "what"]
        constraints = [
            models.UniqueConstraint(fields=["pool", "model", "what", "per_s"], name="limit_unique_per_model"),
            models.UniqueConstraint(
                fields=["pool", "what", "per_s"],
                condition=Q(model__isnull=True),
                name="limit_unique_per_pool",
            ),
            models.CheckConstraint(condition=Q(amount__gte=1), name="limit_amount_positive"),
            models.CheckConstraint(
                condition=Q(what="in_flight", per_s=0) | (~Q(what="in_flight") & Q(per_s__gte=1)),
                name="limit_window_fits_what",
            ),
            models.CheckConstraint(
                condition=~Q(what="in_flight") | Q(resets="rolling"), name="limit_at_once_never_resets"
            ),
        ]

    def __str__(self) -> str:
        window = f" per {self.per_s} s" if self.per_s else ""
        if self.resets != self.Resets.ROLLING:
            window = f" a {self.resets}"
        return f"{self.pool}: {self.amount} {self.get_what_display()}{window}"

    def clean(self) -> None:
        if self.reset_zone not in zoneinfo.available_timezones():
            raise ValidationError({"reset_zone": "There is no such time zone."})


class LearnedLimit(models.Model):
    """A limit as the provider's own answers state it; it binds when it is lower than the configured one."""

    pool = models.ForeignKey(LimitPool, on_delete=models.CASCADE, related_name="learned_limits")
    model = models.ForeignKey(LanguageModel, on_delete=models.CASCADE, related_name="learned_limits")
    what = models.CharField(max_length=20, choices=Limit.What)
    per_s = models.PositiveIntegerField(help_text="Window in seconds.")
    amount = models.PositiveBigIntegerField()
    remaining = models.PositiveBigIntegerField(null=True, blank=True, help_text="When last seen.")
    seen_at = models.DateTimeField(help_text="Noted at most once a minute.")

    class Meta:
        ordering = ["pool", "model", "what"]
        constraints = [
            models.UniqueConstraint(fields=["pool", "model", "what", "per_s"], name="learnedlimit_unique")
        ]

    def __str__(self) -> str:
        return f"{self.pool}: {self.amount} {self.get_what_display()} per {self.per_s} s, as seen"
