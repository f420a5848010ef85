"""Who answers, and with what: rows that come from the catalogue until staff change them."""

from django.core.exceptions import ValidationError
from django.db import models

from providers.rules.quirks import quirk_errors


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

    def clean(self) -> None:
        errors = {name: _not_object(getattr(self, name)) for name in ("extra_body", "key_check")}
        errors["quirks"] = quirk_errors(self.quirks)
        errors["extra_headers"] = _not_object(self.extra_headers, of_texts=True)
        if errors := {name: wrong for name, wrong in errors.items() if wrong}:
            raise ValidationError(errors)


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

    def clean(self) -> None:
        if errors := _not_object(self.request_options):
            raise ValidationError({"request_options": errors})


class ModelPrice(models.Model):
    """A price that staff entered, from a day on: it goes before the maintained price data."""

    model = models.ForeignKey(LanguageModel, on_delete=models.CASCADE, related_name="prices")
    valid_from = models.DateField(help_text="First day of this price, UTC.")
    input_usd_per_mtok = models.DecimalField(max_digits=12, decimal_places=6)
    output_usd_per_mtok = models.DecimalField(max_digits=12, decimal_places=6)
    cached_usd_per_mtok = models.DecimalField(
        max_digits=12, decimal_places=6, null=True, blank=True,
        help_text="Cached input; empty: as other input.",
    )  # fmt: skip

    class Meta:
        ordering = ["model", "-valid_from"]
        constraints = [models.UniqueConstraint(fields=["model", "valid_from"], name="modelprice_unique_day")]

    def __str__(self) -> str:
        return f"{self.model}: {self.input_usd_per_mtok} / {self.output_usd_per_mtok} from {self.valid_from}"


def _not_object(value: object, *, of_texts: bool = False) -> list[str]:
    """Return what is wrong with a JSON value that protocols take as an object, nothing when all is well."""
    if not isinstance(value, dict):
        return ["An object with names."]
    if of_texts and not all(isinstance(one, str) for one in value.values()):
        return ["An object whose values are texts."]
    return []
