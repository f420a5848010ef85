"""Who may call the API as a program: client keys, stored hashed and shown once."""

from django.db import models


class ClientKey(models.Model):
    """A program's key: `<prefix>.<secret>`; only the prefix and a SHA-256 of the secret are kept."""

    class Scope(models.TextChoices):
        READ = "read", "read domains, answers, runs, prompts"
        PROCESS = "process", "import, start, retry, pause, cancel"
        OPERATE = "operate", "see keys, usage, metrics, alerts"
        MANAGE = "manage", "change prompts, schedules, budgets"

    name = models.SlugField(max_length=80, unique=True)
    prefix = models.CharField(max_length=16, unique=True, editable=False)
    secret_sha256 = models.CharField(max_length=64, editable=False)
    scopes = models.JSONField(default=list)
    expires_at = models.DateTimeField(null=True, blank=True)
    revoked_at = models.DateTimeField(null=True, blank=True)
    last_used_at = models.DateTimeField(null=True, blank=True, editable=False, help_text="To the minute.")
    created_by = models.CharField(max_length=150, blank=True, editable=False)
    created_at = models.DateTimeField(auto_now_add=True)

    class Meta:
        ordering = ["name"]

    def __str__(self) -> str:
        return f"{self.name} ({self.prefix}…)"
