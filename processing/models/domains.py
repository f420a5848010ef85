"""Domains and the cohorts that group them: what is asked about, and when it is due again."""

from django.core.validators import MaxValueValidator, MinValueValidator
from django.db import models
from django.db.models import F, Q
from django.db.models.functions import Now

PRIORITY_VALIDATORS = [MinValueValidator(1), MaxValueValidator(10)]


class Cohort(models.Model):
    """A named set of domains, with its own refresh time."""

    name = models.SlugField(max_length=80, unique=True)
    label = models.CharField(max_length=120, blank=True)
    refresh_after_days = models.PositiveIntegerField(
        null=True,
        blank=True,
        help_text="Days until its domains are due again; empty: the service's own time.",
    )
    created_at = models.DateTimeField(auto_now_add=True)

    class Meta:
        ordering = ["name"]

    def __str__(self) -> str:
        return self.label or self.name


class Domain(models.Model):
    """A web site name such as `nike.com`, standing for a brand.

    Its status is derived (`processing.rules.status.domain_status`). `open_run` is the claim: it is set by one
    conditional statement and emptied when that run ends, so no two runs take the same pending domain.
    """

    name = models.CharField(
        max_length=253, unique=True, help_text="Host name without `www.`, in ASCII form (IDNA)."
    )
    unicode_name = models.CharField(max_length=253, help_text="The name as people read it.")
    display_name = models.CharField(max_length=200, blank=True, help_text="The brand, e.g. `Nike`.")
    aliases = models.JSONField(default=list, blank=True)
    category = models.CharField(max_length=120, blank=True)
    cohorts = models.ManyToManyField(Cohort, related_name="domains", blank=True)
    priority = models.PositiveSmallIntegerField(
        default=5, validators=PRIORITY_VALIDATORS, help_text="10 is most urgent."
    )
    is_look_alike = models.BooleanField(default=False, help_text="May be mistaken for another name.")
    is_archived = models.BooleanField(default=False, help_text="In no selection; its answers are kept.")
    refresh_after_days = models.PositiveIntegerField(
        null=True, blank=True, help_text="Overrules its cohorts."
    )
    due_at = models.DateTimeField(
        db_default=Now(), null=True, blank=True, help_text="Pending from then on; empty: never."
    )
    open_run = models.ForeignKey(
        "Run", on_delete=models.SET_NULL, null=True, blank=True, related_name="claimed_domains"
    )
    last_asked_at = models.DateTimeField(null=True, blank=True)
    last_answered_at = models.DateTimeField(null=True, blank=True)
    selection_run = models.ForeignKey(
        "Run", on_delete=models.SET_NULL, null=True, blank=True, related_name="+",
        help_text="The run whose prompts and models are its last selection.",
    )  # fmt: skip
    n_cells = models.PositiveIntegerField(default=0, help_text="Cells of its last selection.")
    n_answered_cells = models.PositiveIntegerField(
        default=0, help_text="Those whose newest result is an answer."
    )
    created_at = models.DateTimeField(auto_now_add=True)
    updated_at = models.DateTimeField(auto_now=True)

    class Meta:
        ordering = ["id"]
        constraints = [
            models.CheckConstraint(condition=Q(priority__range=(1, 10)), name="domain_priority_range"),
            models.CheckConstraint(
                condition=Q(n_answered_cells__lte=F("n_cells")), name="domain_cells_add_up"
            ),
        ]
        indexes = [
            # selectors.domains.pending_domains: most urgent first, then never asked, then oldest answer
            models.Index(
                F("priority").desc(), F("last_asked_at"), F("id"),
                condition=Q(open_run__isnull=True, is_archived=False), name="domain_pending_order",
            ),
            models.Index(fields=["updated_at", "id"], name="domain_updated"),
        ]  # fmt: skip

    def __str__(self) -> str:
        return self.unicode_name or self.name
