"""The keys of providers and their lives; secrets are here only in their encrypted form."""

import uuid

from django.db import models
from django.db.models import Q

from providers.models.catalogue import LanguageModel, Provider
from providers.models.limits import LimitPool


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
        verbose_name = "API key"
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


class KeyModelPause(models.Model):
    """A key that one model refuses (a bare 403): not used for it before `until`, then one call finds out."""

    key = models.ForeignKey(ApiKey, on_delete=models.CASCADE, related_name="pauses")
    model = models.ForeignKey(LanguageModel, on_delete=models.CASCADE, related_name="pauses")
    reason = models.CharField(max_length=300)
    until = models.DateTimeField(help_text="Then one question is the probe.")
    n_refusals = models.PositiveIntegerField(default=1, help_text="Each doubles the pause, up to a day.")
    created_at = models.DateTimeField(auto_now_add=True)

    class Meta:
        ordering = ["key", "model"]
        constraints = [models.UniqueConstraint(fields=["key", "model"], name="keymodelpause_unique_pair")]

    def __str__(self) -> str:
        return f"{self.key} for {self.model.name}: paused until {self.until:%Y-%m-%d %H:%M}"
