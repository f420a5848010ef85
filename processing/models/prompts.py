"""Prompts: what is asked. A version never changes, so that answers stay comparable (a change makes a new one)."""

from django.core.validators import MaxValueValidator, MinValueValidator
from django.db import models
from django.db.models import Q


class Prompt(models.Model):
    """A question template with a history of versions; the highest number is the current one."""

    name = models.SlugField(max_length=80, unique=True)
    label = models.CharField(max_length=120)
    is_default = models.BooleanField(default=False, help_text="Asked when a run names no prompts.")
    is_archived = models.BooleanField(default=False)
    created_at = models.DateTimeField(auto_now_add=True)

    class Meta:
        ordering = ["name"]

    def __str__(self) -> str:
        return self.label


class PromptVersion(models.Model):
    """One immutable wording. Variables: `{domain}`, `{name}`, `{category}`."""

    prompt = models.ForeignKey(Prompt, on_delete=models.PROTECT, related_name="versions")
    number = models.PositiveIntegerField()
    system_text = models.TextField(blank=True)
    text = models.TextField()
    max_output_tokens = models.PositiveIntegerField(
        default=2000, validators=[MinValueValidator(16), MaxValueValidator(32_000)],
        help_text="Room for the answer and the model's thinking, in tokens.",
    )  # fmt: skip
    temperature = models.FloatField(null=True, blank=True, help_text="Sent only to models that accept it.")
    created_by = models.CharField(max_length=150)
    created_at = models.DateTimeField(auto_now_add=True)

    class Meta:
        ordering = ["prompt", "-number"]
        constraints = [
            models.UniqueConstraint(fields=["prompt", "number"], name="promptversion_unique_number"),
            models.CheckConstraint(
                condition=Q(max_output_tokens__range=(16, 32_000)), name="promptversion_cap_range"
            ),
        ]

    def __str__(self) -> str:
        return f"{self.prompt.name} v{self.number}"
