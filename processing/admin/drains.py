"""Who lives: drains with the age of their beat, and the process that leads. Read only.

Ages are taken on the database's clock, by which beats are written.
"""

from datetime import datetime
from typing import Any

from django.contrib import admin
from django.db.models import DateTimeField, ExpressionWrapper, QuerySet
from django.db.models.functions import Now
from django.http import HttpRequest
from django.utils.html import format_html_join
from django.utils.safestring import SafeString

from processing.admin import show
from processing.admin.base import BoundedPaginator, RecordAdmin, titled
from processing.admin.filters import LifeFilter
from processing.models import Drain, Leader


def _with_now(queryset: QuerySet[Any]) -> QuerySet[Any]:
    with_now: QuerySet[Any] = queryset.annotate(db_now=ExpressionWrapper(Now(), output_field=DateTimeField()))
    return with_now


@admin.register(Drain)
class DrainAdmin(RecordAdmin[Drain]):
    """Asking jobs: alive, ended or dead."""

    list_display = ("drain", "state", "beat_age", "in_flight", "calls", "queue", "worker", "started")
    list_filter = (LifeFilter, "end", ("is_careful", titled("careful", admin.BooleanFieldListFilter)))
    ordering = ("-started_at", "id")
    paginator = BoundedPaginator
    fieldsets = (
        (None, {"fields": ("state", "beat_age", "n_in_flight", "n_calls", "lanes_shown", "error")}),
        (
            "Where and when",
            {"fields": ("queue", "worker", "host", "pid", "job_id", "is_careful", "started_at", "ended_at")},
        ),
    )
    readonly_fields = ("state", "beat_age", "lanes_shown")

    def get_queryset(self, request: HttpRequest) -> QuerySet[Drain]:
        return _with_now(super().get_queryset(request))

    @admin.display(description="drain", ordering="started_at")
    def drain(self, drain: Drain) -> str:
        return str(drain)

    @admin.display(description="state")
    def state(self, drain: Drain) -> SafeString:
        if drain.ended_at:
            tone = "failed" if drain.end in (Drain.End.FAILED, Drain.End.DEAD) else "ended"
            return show.badge(tone, drain.get_end_display() or "ended")
        is_alive = _now_of(drain) - drain.beat_at < Drain.DEAD_AFTER
        return show.badge("alive") if is_alive else show.badge("dead", "dead: no beat")

    @admin.display(description="last beat")
    def beat_age(self, drain: Drain) -> str:
        if drain.ended_at:
            return show.DASH
        return f"{show.seconds(max(0.0, (_now_of(drain) - drain.beat_at).total_seconds()))} ago"

    @admin.display(description="in flight", ordering="n_in_flight")
    def in_flight(self, drain: Drain) -> str:
        return show.count(drain.n_in_flight)

    @admin.display(description="calls", ordering="n_calls")
    def calls(self, drain: Drain) -> str:
        return show.count(drain.n_calls)

    @admin.display(description="started", ordering="started_at")
    def started(self, drain: Drain) -> SafeString:
        return show.ago(drain.started_at)

    @admin.display(description="lanes at the last beat")
    def lanes_shown(self, drain: Drain) -> SafeString | str:
        lines = (
            (
                "; ".join(f"{key}: {value}" for key, value in lane.items())
                if isinstance(lane, dict)
                else str(lane),
            )
            for lane in drain.lanes
        )
        return format_html_join("", "<div>{}</div>", lines) or show.DASH


@admin.register(Leader)
class LeaderAdmin(RecordAdmin[Leader]):
    """Which process acts in each role, and whether it still does."""

    list_display = ("role", "state", "holder", "acted", "expires")
    readonly_fields = ("state",)

    def get_queryset(self, request: HttpRequest) -> QuerySet[Leader]:
        return _with_now(super().get_queryset(request))

    @admin.display(description="state")
    def state(self, leader: Leader) -> SafeString:
        return (
            show.badge("alive") if leader.expires_at > _now_of(leader) else show.badge("dead", "nobody leads")
        )

    @admin.display(description="last round", ordering="acted_at")
    def acted(self, leader: Leader) -> SafeString:
        return show.ago(leader.acted_at)

    @admin.display(description="expires", ordering="expires_at")
    def expires(self, leader: Leader) -> SafeString:
        return show.ago(leader.expires_at)


def _now_of(row: Any) -> datetime:
    now: datetime = row.db_now
    return now
