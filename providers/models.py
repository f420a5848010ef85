"""What is known of providers: who answers, with which models, keys and limits, and what they cost us.

Catalogue facts (`catalogue.toml`), staff changes and the environment meet in these rows. Nothing here
knows of domains, runs or questions: usage is booked under the opaque id of the drain that made the calls.
"""

import uuid
from decimal import Decimal

from django.db import models
from django.db.models import Q


class Protocol(models.TextChoices):
    """The wire formats; providers that share one share its class in `providers/protocols/`."""

    OPENAI_CHAT = "openai_chat", "OpenAI chat completions"
    OPENAI_RESPONSES = "openai_responses", "OpenAI responses"
    ANTHROPIC = "anthropic", "Anthropic messages"
    GEMINI = "gemini", "Gemini generateContent"
    COHERE = "cohere", "Cohere chat v2"


class Tier(models.TextChoices):
    """How long an answer may take: sets the total timeout of a call."""

    FAST = "fast", "fast (60 s)"
    MEDIUM = "medium", "medium (120 s)"
    SLOW = "slow", "slow (600 s)"


class CatalogueRow(models.Model):
    """A row whose values come from the catalogue until staff change them.

    `catalogue_values` holds what the catalogue said last: a field that still equals it follows the next
    catalogue, a field that differs was changed by staff and is left alone.
    """

    catalogue_values = models.JSONField(default=dict, blank=True, editable=False)
    source = models.CharField(max_length=200, blank=True, help_text="Where the facts come from.")
    checked_on = models.DateField(null=True, blank=True, help_text="When the facts were last checked.")

    class Meta:
        abstract = True


class Provider(CatalogueRow):
    """A company or server that answers questions."""

    class Service(models.TextChoices):
        LIVE = "live", "live"
        SUNSET = "sunset", "retired by the provider"

    name = models.SlugField(max_length=40, unique=True, help_text="As in the catalogue, e.g. `openai`.")
    label = models.CharField(max_length=80)
    service = models.CharField(max_length=10, choices=Service, default=Service.LIVE)
    is_enabled = models.BooleanField(default=True, help_text="Off: its models are asked nothing.")
    protocol = models.CharField(max_length=20, choices=Protocol)
    base_url = models.URLField(max_length=300)
    chat_path = models.CharField(max_length=100)
    env_prefix = models.CharField(
        max_length=40, blank=True, help_text="Environment variables `PREFIX_API_KEY` …"
    )
    auth_style = models.CharField(max_length=20, default="bearer")
    needs_key = models.BooleanField(
        default=True, help_text="Off: may be asked without any key (a local server)."
    )
    extra_headers = models.JSONField(default=dict, blank=True)
    output_cap_field = models.CharField(max_length=60, help_text="Name of the output cap in the request.")
    extra_body = models.JSONField(default=dict, blank=True, help_text="Sent with every request.")
    quirks = models.JSONField(
        default=dict, blank=True, help_text="Declared differences; see providers/protocols."
    )
    key_check = models.JSONField(default=dict, blank=True, help_text="Cheapest call that proves a key.")
    price_provider = models.CharField(
        max_length=40, blank=True, help_text="Its id in genai-prices; empty: unpriced."
    )
    is_simulated = models.BooleanField(default=False, help_text="Answers are marked as simulated.")

    class Meta:
        ordering = ["name"]

    def __str__(self) -> str:
        return self.label


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


class LanguageModel(CatalogueRow):
    """What a provider answers with."""

    class Lane(models.TextChoices):
        ACTIVE = "active", "asked"
        PAUSED = "paused", "paused"
        RETIRED = "retired", "retired or unknown at the provider"

    provider = models.ForeignKey(Provider, on_delete=models.CASCADE, related_name="language_models")
    name = models.CharField(max_length=120, help_text="As sent to the provider.")
    tier = models.CharField(max_length=10, choices=Tier, default=Tier.MEDIUM)
    is_default = models.BooleanField(default=False, help_text="Asked when a run names no models.")
    lane = models.CharField(max_length=10, choices=Lane, default=Lane.ACTIVE)
    lane_reason = models.CharField(max_length=200, blank=True)
    lane_until = models.DateTimeField(
        null=True, blank=True, help_text="A pause ends by itself then; empty: by staff."
    )
    max_output_tokens = models.PositiveIntegerField(
        null=True, blank=True, help_text="The model's own cap, in tokens."
    )
    context_tokens = models.PositiveIntegerField(null=True, blank=True)
    accepts_temperature = models.BooleanField(default=False)
    request_options = models.JSONField(
        default=dict, blank=True, help_text="Sent with every request to this model."
    )
    refused_fields = models.JSONField(
        default=list, blank=True, help_text="Request fields the model has refused."
    )
    price_name = models.CharField(
        max_length=120, blank=True, help_text="Its id in genai-prices, when other than the name."
    )
    input_usd_per_mtok = models.DecimalField(max_digits=12, decimal_places=6, null=True, blank=True)
    output_usd_per_mtok = models.DecimalField(max_digits=12, decimal_places=6, null=True, blank=True)

    class Meta:
        ordering = ["provider__name", "name"]
        constraints = [models.UniqueConstraint(fields=["provider", "name"], name="languagemodel_unique_name")]

    def __str__(self) -> str:
        return f"{self.provider.name}: {self.name}"


class Limit(models.Model):
    """How much a pool may use: `amount` of `what` within any `per_s` seconds, or at once for `in_flight`."""

    class What(models.TextChoices):
        REQUESTS = "requests", "requests"
        INPUT_TOKENS = "input_tokens", "input tokens"
        OUTPUT_TOKENS = "output_tokens", "output tokens"
        TOKENS = "tokens", "tokens"
        IN_FLIGHT = "in_flight", "calls at once"

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
        ]

    def __str__(self) -> str:
        window = f" per {self.per_s} s" if self.per_s else ""
        return f"{self.pool}: {self.amount} {self.get_what_display()}{window}"


class ApiKey(models.Model):
    """A provider's API key: encrypted when staff entered it, a variable's name when the environment holds it."""

    class Source(models.TextChoices):
        STAFF = "staff", "admin"
        ENVIRONMENT = "environment", "environment"
        NONE = "none", "no key needed"

    class State(models.TextChoices):
        ACTIVE = "active", "active"
        COOLING = "cooling", "cooling"
        EXHAUSTED = "exhausted", "out of credit or quota"
        INVALID = "invalid", "refused by the provider"
        PROBING = "probing", "being tried"
        DISABLED = "disabled", "disabled by staff"
        UNREADABLE = "unreadable", "cannot be decrypted"

    uid = models.UUIDField(
        default=uuid.uuid4, unique=True, editable=False, help_text="Binds the ciphertext to this row."
    )
    provider = models.ForeignKey(Provider, on_delete=models.CASCADE, related_name="keys")
    pool = models.ForeignKey(LimitPool, on_delete=models.PROTECT, related_name="keys")
    label = models.CharField(max_length=80, blank=True)
    source = models.CharField(max_length=12, choices=Source, default=Source.STAFF)
    environment_name = models.CharField(max_length=80, blank=True, help_text="The variable that holds it.")
    ciphertext = models.TextField(blank=True, editable=False)
    last4 = models.CharField(max_length=4, blank=True, editable=False)
    fingerprint = models.CharField(
        max_length=64, editable=False, help_text="HMAC: a key entered twice is refused."
    )
    state = models.CharField(max_length=12, choices=State, default=State.ACTIVE)
    state_reason = models.CharField(max_length=300, blank=True)
    state_until = models.DateTimeField(null=True, blank=True)
    last_ok_at = models.DateTimeField(null=True, blank=True)
    last_error_at = models.DateTimeField(null=True, blank=True)
    last_error = models.CharField(max_length=300, blank=True)
    created_at = models.DateTimeField(auto_now_add=True)

    class Meta:
        ordering = ["provider__name", "id"]
        constraints = [
            models.UniqueConstraint(fields=["provider", "fingerprint"], name="apikey_unique_fingerprint"),
            models.CheckConstraint(
                condition=(
                    Q(source="staff") & ~Q(ciphertext="")
                    | Q(source="environment") & ~Q(environment_name="") & Q(ciphertext="")
                    | Q(source="none") & Q(ciphertext="")
                ),
                name="apikey_source_holds_it",
            ),
        ]

    def __str__(self) -> str:
        ending = f" …{self.last4}" if self.last4 else ""
        return f"{self.provider.name} {self.label or 'key'}{ending}"


class KeyEvent(models.Model):
    """One step in the life of a key: never changed, never removed while the key exists."""

    key = models.ForeignKey(ApiKey, on_delete=models.CASCADE, related_name="events")
    from_state = models.CharField(max_length=12, blank=True)
    to_state = models.CharField(max_length=12, choices=ApiKey.State)
    cause = models.CharField(max_length=300)
    actor = models.CharField(max_length=150, help_text="A staff user, `environment` or the part that saw it.")
    until = models.DateTimeField(null=True, blank=True)
    created_at = models.DateTimeField(auto_now_add=True)

    class Meta:
        ordering = ["-id"]
        indexes = [models.Index(fields=["key", "-id"], name="keyevent_timeline")]

    def __str__(self) -> str:
        return f"{self.from_state or 'new'} → {self.to_state}: {self.cause}"


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
