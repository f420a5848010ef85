"""Runs, their questions and every attempt at one: the record that all else is derived from.

Text lives on attempts only. A run's status is derived from its instants and counters
(`processing.rules.status.run_status`); nothing here stores a status of a run.
"""

import uuid
from decimal import Decimal

from django.db import models
from django.db.models import F, Q
from django.db.models.functions import Now

from processing.models.domains import PRIORITY_VALIDATORS, Domain
from processing.models.prompts import PromptVersion
from providers.models import ApiKey, LanguageModel


class Run(models.Model):
    """A chosen set of domains × prompt versions × models."""

    class Kind(models.TextChoices):
        API = "api", "API"
        STAFF = "staff", "staff"
        SCHEDULE = "schedule", "schedule"
        RETRY = "retry", "retry"
        ULTRA = "ultra", "ultra-fast"
        PROBE = "probe", "probe"

    kind = models.CharField(max_length=10, choices=Kind)
    parent_run = models.ForeignKey(
        "self", on_delete=models.SET_NULL, null=True, blank=True, related_name="child_runs"
    )
    priority = models.PositiveSmallIntegerField(
        default=5, validators=PRIORITY_VALIDATORS, help_text="10 is most urgent."
    )
    strategy = models.CharField(max_length=40, default="all")
    selection = models.JSONField(
        default=dict, blank=True, help_text="What was asked for when the run was made."
    )
    excluded = models.JSONField(
        default=list, blank=True, help_text="Models that could not be used, with the reason."
    )
    prompt_versions = models.ManyToManyField(PromptVersion, related_name="runs")
    language_models = models.ManyToManyField(LanguageModel, related_name="runs")
    created_by = models.CharField(max_length=150, help_text="`client:NAME`, a staff user or `schedule:NAME`.")
    created_at = models.DateTimeField(db_default=Now(), editable=False)
    planned_at = models.DateTimeField(null=True, blank=True, help_text="All its questions are written.")
    started_at = models.DateTimeField(null=True, blank=True, help_text="The first question was taken.")
    paused_at = models.DateTimeField(null=True, blank=True)
    pause_reason = models.CharField(max_length=200, blank=True)
    cancelled_at = models.DateTimeField(null=True, blank=True)
    cancelled_by = models.CharField(max_length=150, blank=True)
    finished_at = models.DateTimeField(null=True, blank=True, help_text="No question is open any more.")
    deadline_at = models.DateTimeField(help_text="What is open then fails as `expired`.")
    drain_only = models.UUIDField(
        null=True, blank=True, help_text="Only this drain may ask it (an ultra-fast run)."
    )
    # Written once, when the run is planned and when it ends; between the two its questions are counted.
    n_questions = models.PositiveIntegerField(null=True, blank=True)
    n_answered = models.PositiveIntegerField(default=0)
    n_failed = models.PositiveIntegerField(default=0)
    n_declined = models.PositiveIntegerField(default=0)
    n_skipped = models.PositiveIntegerField(default=0)
    n_cancelled = models.PositiveIntegerField(default=0)

    class Meta:
        ordering = ["-id"]
        constraints = [
            models.CheckConstraint(condition=Q(priority__range=(1, 10)), name="run_priority_range"),
            models.CheckConstraint(
                condition=Q(finished_at__isnull=True)
                | Q(
                    n_questions=F("n_answered")
                    + F("n_failed")
                    + F("n_declined")
                    + F("n_skipped")
                    + F("n_cancelled")
                ),
                name="run_counts_add_up_at_the_end",
            ),
        ]
        indexes = [
            # claims and dispatch look at open runs only, most urgent first
            models.Index(
                F("priority").desc(),
                F("id"),
                condition=Q(finished_at__isnull=True),
                name="run_open_by_priority",
            ),
        ]

    def __str__(self) -> str:
        return f"Run {self.pk}"


class Question(models.Model):
    """One cell of a run. `(drain, claim_no)` names its present owner and is the fencing token of its result."""

    class Status(models.TextChoices):
        WAITING = "waiting", "waiting"
        IN_FLIGHT = "in_flight", "in flight"
        ANSWERED = "answered", "answered"
        FAILED = "failed", "failed"
        DECLINED = "declined", "declined"
        SKIPPED = "skipped", "skipped"
        CANCELLED = "cancelled", "cancelled"

    OPEN = (Status.WAITING, Status.IN_FLIGHT)

    run = models.ForeignKey(Run, on_delete=models.CASCADE, related_name="questions", db_index=False)
    domain = models.ForeignKey(Domain, on_delete=models.PROTECT, related_name="questions", db_index=False)
    prompt_version = models.ForeignKey(
        PromptVersion, on_delete=models.PROTECT, related_name="+", db_index=False
    )
    model = models.ForeignKey(LanguageModel, on_delete=models.PROTECT, related_name="+", db_index=False)
    status = models.CharField(max_length=10, choices=Status, default=Status.WAITING)
    reason = models.CharField(max_length=20, blank=True, help_text="Why it waits, or how it ended.")
    due_at = models.DateTimeField(db_default=Now(), help_text="Not asked before.")
    n_calls = models.PositiveSmallIntegerField(default=0, help_text="Calls made for it.")
    n_tries = models.PositiveSmallIntegerField(
        default=0, help_text="Calls that count against the retry limit."
    )
    n_losses = models.PositiveSmallIntegerField(default=0, help_text="Calls whose worker died.")
    cap_factor = models.PositiveSmallIntegerField(
        default=1, help_text="Output cap multiplier after a truncated answer."
    )
    drain = models.UUIDField(null=True, blank=True)
    claim_no = models.PositiveIntegerField(default=0)
    answer = models.OneToOneField(
        "Attempt", on_delete=models.SET_NULL, null=True, blank=True, related_name="+"
    )
    finished_at = models.DateTimeField(null=True, blank=True)

    class Meta:
        constraints = [
            # also: a run's questions, a domain's cells within a run
            models.UniqueConstraint(
                fields=["run", "domain", "prompt_version", "model"], name="question_unique_cell"
            ),
            models.CheckConstraint(
                condition=~Q(status="in_flight") | Q(drain__isnull=False), name="question_in_flight_has_owner"
            ),
            models.CheckConstraint(
                condition=~Q(status="answered") | Q(answer__isnull=False), name="question_answered_has_answer"
            ),
        ]
        indexes = [
            # processing.claims: the next question of a lane within a run
            models.Index(
                fields=["run", "model", "due_at", "id"],
                condition=Q(status="waiting"),
                name="question_claim_order",
            ),
            # processing.reclaim: what a dead drain owned; processing.closing: is anything open
            models.Index(fields=["drain"], condition=Q(status="in_flight"), name="question_in_flight"),
            # selectors.answers: newest result per cell of a domain
            models.Index(fields=["domain", "prompt_version", "model", "-id"], name="question_domain_cells"),
            # runs/:id/questions?status=failed
            models.Index(fields=["run", "status", "id"], name="question_by_status"),
            # selectors.runs: answers per minute of a lane
            models.Index(
                fields=["run", "model", "finished_at"],
                condition=Q(finished_at__isnull=False),
                name="question_finished",
            ),
        ]

    def __str__(self) -> str:
        return f"Question {self.pk}"


class Attempt(models.Model):
    """One call for a question, good or bad. Its uuid is made from the claim, so a call is never booked twice."""

    uuid = models.UUIDField(unique=True, default=uuid.uuid4, editable=False)
    question = models.ForeignKey(Question, on_delete=models.CASCADE, related_name="attempts")
    drain = models.UUIDField()
    key = models.ForeignKey(ApiKey, on_delete=models.SET_NULL, null=True, related_name="+", db_index=False)
    key_last4 = models.CharField(max_length=4, blank=True)
    outcome = models.CharField(max_length=20)
    text = models.TextField(null=True)  # null: there is none, "" is never stored
    text_pruned_at = models.DateTimeField(null=True, blank=True)
    served_model = models.CharField(max_length=200, blank=True, help_text="The model named in the answer.")
    finish_reason = models.CharField(max_length=40, blank=True)
    http_status = models.PositiveSmallIntegerField(null=True, blank=True)
    error_code = models.CharField(max_length=80, blank=True)
    error_message = models.CharField(max_length=500, blank=True)
    input_tokens = models.PositiveIntegerField(null=True, blank=True)
    output_tokens = models.PositiveIntegerField(null=True, blank=True)
    reasoning_tokens = models.PositiveIntegerField(null=True, blank=True)
    cached_tokens = models.PositiveIntegerField(null=True, blank=True)
    cost_usd = models.DecimalField(max_digits=14, decimal_places=8, null=True, blank=True)
    latency_ms = models.PositiveIntegerField(null=True, blank=True)
    citations = models.JSONField(null=True, blank=True)
    provider_request_id = models.CharField(max_length=120, blank=True)
    is_late = models.BooleanField(default=False, help_text="Came back after its worker was given up.")
    simulated = models.BooleanField(default=False)
    created_at = models.DateTimeField(db_default=Now(), editable=False)

    class Meta:
        constraints = [
            models.CheckConstraint(
                condition=Q(text__isnull=True) | ~Q(text=""), name="attempt_text_never_empty"
            ),
            models.CheckConstraint(
                condition=~Q(outcome="answered") | Q(text__isnull=False) | Q(text_pruned_at__isnull=False),
                name="attempt_answered_has_text",
            ),
        ]

    def __str__(self) -> str:
        return f"Attempt {self.pk} ({self.outcome})"


class RunUsage(models.Model):
    """What one drain used for one lane of a run; summed on read, so that recorders never wait for each other."""

    run = models.ForeignKey(Run, on_delete=models.CASCADE, related_name="usage")
    model = models.ForeignKey(LanguageModel, on_delete=models.CASCADE, related_name="+", db_index=False)
    drain = models.UUIDField()
    n_calls = models.IntegerField(default=0)
    n_lost = models.IntegerField(default=0, help_text="Calls whose end, and so whose cost, nobody knows.")
    n_unpriced = models.IntegerField(default=0, help_text="Answers whose cost is not known.")
    input_tokens = models.BigIntegerField(default=0)
    output_tokens = models.BigIntegerField(default=0)
    cost_usd = models.DecimalField(max_digits=16, decimal_places=8, default=Decimal(0))

    class Meta:
        constraints = [models.UniqueConstraint(fields=["run", "model", "drain"], name="runusage_unique")]

    def __str__(self) -> str:
        return f"Run {self.run_id}, model {self.model_id}: {self.n_calls} calls"
