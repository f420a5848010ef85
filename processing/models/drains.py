"""The rows that say who lives: drains that ask, and the scheduler that acts."""

import uuid
from datetime import timedelta

from django.db import models
from django.db.models import Q
from django.db.models.functions import Now


class Drain(models.Model):
    """One asking job and its heartbeat, on the database's clock. Dead after `DEAD_AFTER` without a beat."""

    BEAT_EVERY_S = 5
    DEAD_AFTER = timedelta(seconds=20)

    class End(models.TextChoices):
        DONE = "done", "nothing left to ask"
        SURPLUS = "surplus", "others do the work"
        SLICE = "slice", "its time slice was over"
        STOPPED = "stopped", "told to stop"
        ORPHANED = "orphaned", "its worker went away"
        FAILED = "failed", "an error ended it"
        DEAD = "dead", "no beat any more"

    id = models.UUIDField(primary_key=True, default=uuid.uuid4, editable=False)
    queue = models.CharField(max_length=20, blank=True)
    job_id = models.CharField(max_length=64, blank=True)
    worker = models.CharField(max_length=80, blank=True)
    host = models.CharField(max_length=120)
    pid = models.PositiveIntegerField()
    is_careful = models.BooleanField(
        default=False, help_text="Asks one by one what has already cost workers their lives."
    )
    started_at = models.DateTimeField(db_default=Now())
    beat_at = models.DateTimeField(db_default=Now())
    ended_at = models.DateTimeField(null=True, blank=True)
    end = models.CharField(max_length=10, choices=End, blank=True)
    error = models.CharField(max_length=500, blank=True)
    n_in_flight = models.PositiveIntegerField(default=0)
    n_calls = models.PositiveIntegerField(default=0)
    lanes = models.JSONField(
        default=list, blank=True, help_text="What each lane waits for, at the last beat."
    )

    class Meta:
        ordering = ["-started_at"]
        indexes = [models.Index(fields=["beat_at"], condition=Q(ended_at__isnull=True), name="drain_alive")]

    def __str__(self) -> str:
        return f"Drain {str(self.id)[:8]} on {self.host}"


class Leader(models.Model):
    """The one process that may act in a role; taken by compare-and-set, lost by letting it expire."""

    role = models.CharField(max_length=40, primary_key=True)
    holder = models.CharField(max_length=120, blank=True)
    expires_at = models.DateTimeField(db_default=Now())
    acted_at = models.DateTimeField(null=True, blank=True, help_text="Its last full round.")

    class Meta:
        verbose_name = "scheduler"

    def __str__(self) -> str:
        return f"{self.role}: {self.holder}"
