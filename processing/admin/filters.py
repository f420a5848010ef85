"""Filters of list pages: by derived status, and by a number or a name that is typed because a list would be endless."""

from collections.abc import Iterator
from enum import StrEnum
from typing import Any, ClassVar

from django.contrib.admin import SimpleListFilter
from django.contrib.admin.options import ModelAdmin
from django.contrib.admin.views.main import ChangeList
from django.db.models import QuerySet
from django.db.models.functions import Now
from django.http import HttpRequest

from processing.models import Cohort, Drain, Question
from providers.models import LanguageModel
from providers.protocols.base import Outcome


class StatusFilter(SimpleListFilter):
    """Filters by a status that no column holds; a subclass names the words and adds `status_name` in SQL."""

    title = "status"
    parameter_name = "status"
    statuses: ClassVar[type[StrEnum]]

    @staticmethod
    def annotated(queryset: QuerySet[Any]) -> QuerySet[Any]:
        """Return the queryset with `status_name`."""
        raise NotImplementedError

    def lookups(self, request: HttpRequest, model_admin: "ModelAdmin[Any]") -> list[tuple[str, str]]:
        return [(status.value, status.value) for status in self.statuses]

    def queryset(self, request: HttpRequest, queryset: QuerySet[Any]) -> QuerySet[Any]:
        value = self.value()
        return self.annotated(queryset).filter(status_name=value) if value else queryset


class CohortFilter(SimpleListFilter):
    """Filters domains by cohort without joining, so that no domain shows twice."""

    title = "cohort"
    parameter_name = "cohort"

    def lookups(self, request: HttpRequest, model_admin: "ModelAdmin[Any]") -> list[tuple[str, str]]:
        return [(cohort.name, str(cohort)) for cohort in Cohort.objects.all()[:100]]

    def queryset(self, request: HttpRequest, queryset: QuerySet[Any]) -> QuerySet[Any]:
        value = self.value()
        if not value:
            return queryset
        through = Cohort.domains.through.objects.filter(cohort__name=value)
        return queryset.filter(pk__in=through.values("domain_id"))


class TypedFilter(SimpleListFilter):
    """A filter whose value is typed into a field; digits only, anything else finds nothing."""

    template = "admin/processing/typed_filter.html"
    lookup = ""

    def lookups(self, request: HttpRequest, model_admin: "ModelAdmin[Any]") -> list[tuple[str, str]]:
        return [("", "")]  # Django hides a filter without choices

    def queryset(self, request: HttpRequest, queryset: QuerySet[Any]) -> QuerySet[Any]:
        value = self.value()
        if not value:
            return queryset
        return queryset.filter(**{self.lookup: int(value)}) if _is_id(value) else queryset.none()

    def choices(self, changelist: ChangeList) -> Iterator[Any]:
        """Give the template the other filters, so that typing here keeps them."""
        kept: list[tuple[str, Any]] = []
        for key, values in changelist.get_filters_params().items():
            if key != self.parameter_name:
                kept += [(str(key), value) for value in (values if isinstance(values, list) else [values])]
        yield {
            "selected": bool(self.value()),
            "query_string": changelist.get_query_string(remove=[str(self.parameter_name)]),
            "display": "", "name": self.parameter_name, "value": self.value() or "", "kept": kept,
        }  # fmt: skip


class RunFilter(TypedFilter):
    """Questions of one run."""

    title = "run number"
    parameter_name = "run"
    lookup = "run_id"


class DomainFilter(TypedFilter):
    """Questions about one domain."""

    title = "domain id"
    parameter_name = "domain"
    lookup = "domain_id"


class QuestionFilter(TypedFilter):
    """Attempts at one question."""

    title = "question id"
    parameter_name = "question"
    lookup = "question_id"


class LifeFilter(SimpleListFilter):
    """Drains that beat, that stopped without a word, and that ended."""

    title = "life"
    parameter_name = "life"

    def lookups(self, request: HttpRequest, model_admin: "ModelAdmin[Any]") -> list[tuple[str, str]]:
        return [("alive", "alive"), ("dead", "dead"), ("ended", "ended")]

    def queryset(self, request: HttpRequest, queryset: QuerySet[Any]) -> QuerySet[Any]:
        open_drains, latest_death = queryset.filter(ended_at__isnull=True), Now() - Drain.DEAD_AFTER
        match self.value():
            case "alive":
                return open_drains.filter(beat_at__gt=latest_death)
            case "dead":
                return open_drains.filter(beat_at__lte=latest_death)
            case "ended":
                return queryset.filter(ended_at__isnull=False)
            case _:
                return queryset


class ModelFilter(SimpleListFilter):
    """Filters by language model: one short query, whatever the size of the table."""

    title = "model"
    parameter_name = "model"

    def lookups(self, request: HttpRequest, model_admin: "ModelAdmin[Any]") -> list[tuple[str, str]]:
        models = LanguageModel.objects.select_related("provider").order_by("provider__name", "name")
        return [(str(model.pk), str(model)) for model in models]

    def queryset(self, request: HttpRequest, queryset: QuerySet[Any]) -> QuerySet[Any]:
        value = self.value()
        if not value:
            return queryset
        return queryset.filter(model_id=int(value)) if _is_id(value) else queryset.none()


class ReasonFilter(SimpleListFilter):
    """Filters questions by why they wait or how they ended; the words are fixed, so no scan for distinct values."""

    title = "reason"
    parameter_name = "reason"

    def lookups(self, request: HttpRequest, model_admin: "ModelAdmin[Any]") -> list[tuple[str, str]]:
        return [(outcome.value, outcome.value.replace("_", " ")) for outcome in Outcome]

    def queryset(self, request: HttpRequest, queryset: QuerySet[Any]) -> QuerySet[Any]:
        value = self.value()
        if not value:
            return queryset
        field = "reason" if queryset.model is Question else "outcome"
        return queryset.filter(**{field: value})


class OutcomeFilter(ReasonFilter):
    """Filters attempts by how the call ended."""

    title = "outcome"
    parameter_name = "outcome"


def _is_id(value: str) -> bool:
    return value.isascii() and value.isdigit() and len(value) < 19
