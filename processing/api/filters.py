"""The filters of lists, named like the fields that they look at. Their values are checked, never ignored."""

from collections.abc import Iterable
from datetime import UTC, datetime
from typing import Any

import django_filters
from django import forms
from django.db.models import Q, QuerySet
from django_filters.fields import IsoDateTimeField
from rest_framework.exceptions import ValidationError

from processing.models import Attempt, Cohort, Domain, Prompt, Question, Run
from processing.rules.status import DomainStatus, RunStatus

YEARS = range(1970, 2200)  # beyond them no instant of ours lies, and near the ends of time zones overflow


class InstantField(IsoDateTimeField):  # type: ignore[misc]  # django-filter comes without types
    """An instant in ISO 8601; without a zone it is UTC."""

    def clean(self, value: Any) -> datetime | None:
        try:
            instant: datetime | None = super().clean(value)
            if instant is None:
                return None
            instant = instant.astimezone(UTC)
        except (OverflowError, ValueError) as error:
            raise forms.ValidationError(self.error_messages["invalid"], code="invalid") from error
        if instant.year not in YEARS:
            raise forms.ValidationError(self.error_messages["invalid"], code="invalid")
        return instant


class InstantFilter(django_filters.IsoDateTimeFilter):  # type: ignore[misc]
    """Compares with an instant."""

    field_class = InstantField


class OneOfMany(django_filters.BaseInFilter, django_filters.CharFilter):  # type: ignore[misc]
    """Any of several words, separated by commas."""

    def __init__(self, words: Iterable[str], **options: Any) -> None:
        self.words = tuple(words)
        super().__init__(lookup_expr="in", **options)

    def filter(self, queryset: QuerySet[Any], value: list[str] | None) -> QuerySet[Any]:
        unknown = [word for word in value or () if word not in self.words]
        if unknown:
            raise ValidationError({self.field_name_in_query: [f"One or more of {', '.join(self.words)}."]})
        filtered: QuerySet[Any] = super().filter(queryset, value)
        return filtered

    @property
    def field_name_in_query(self) -> str:
        """The filter's own name, which may differ from the column's."""
        return str(next(name for name, one in self.parent.filters.items() if one is self))


class DomainFilter(django_filters.FilterSet):  # type: ignore[misc]
    """`GET /domains`."""

    status = OneOfMany(DomainStatus, field_name="status_name")
    cohort = django_filters.CharFilter(method="in_cohort")
    category = django_filters.CharFilter()
    priority = django_filters.NumberFilter(min_value=1, max_value=10)
    is_look_alike = django_filters.BooleanFilter()
    search = django_filters.CharFilter(method="matching")
    stale_before = InstantFilter(method="answered_before")
    updated_since = InstantFilter(field_name="updated_at", lookup_expr="gte")

    class Meta:
        model = Domain
        fields: list[str] = []

    def in_cohort(self, queryset: QuerySet[Domain], _name: str, value: str) -> QuerySet[Domain]:
        cohort = Cohort.objects.filter(name=value).first()
        if cohort is None:
            raise ValidationError({"cohort": ["There is no such cohort."]})
        members = Domain.cohorts.through.objects.filter(cohort=cohort)
        return queryset.filter(pk__in=members.values("domain_id"))

    def matching(self, queryset: QuerySet[Domain], _name: str, value: str) -> QuerySet[Domain]:
        value = value.strip().lower()
        return queryset.filter(
            Q(name__contains=value) | Q(unicode_name__icontains=value) | Q(display_name__icontains=value)
        )

    def answered_before(self, queryset: QuerySet[Domain], _name: str, value: datetime) -> QuerySet[Domain]:
        return queryset.filter(Q(last_answered_at__isnull=True) | Q(last_answered_at__lt=value))


class AnswerFilter(django_filters.FilterSet):  # type: ignore[misc]
    """`GET /domains/:id/answers`."""

    prompt = django_filters.CharFilter(field_name="question__prompt_version__prompt__name")
    prompt_version = django_filters.NumberFilter(
        field_name="question__prompt_version__number", min_value=1, max_value=2**31 - 1
    )
    provider = django_filters.CharFilter(field_name="question__model__provider__name")
    model = django_filters.CharFilter(field_name="question__model__name")
    run = django_filters.NumberFilter(field_name="question__run", min_value=1, max_value=2**63 - 1)
    updated_since = InstantFilter(field_name="created_at", lookup_expr="gte")

    class Meta:
        model = Attempt
        fields: list[str] = []


class RunFilter(django_filters.FilterSet):  # type: ignore[misc]
    """`GET /runs`."""

    status = OneOfMany(RunStatus, field_name="status_name")
    kind = OneOfMany(Run.Kind.values)
    created_by = django_filters.CharFilter()
    parent_run = django_filters.NumberFilter(min_value=1, max_value=2**63 - 1)
    updated_since = InstantFilter(method="changed_since")

    class Meta:
        model = Run
        fields: list[str] = []

    def changed_since(self, queryset: QuerySet[Run], _name: str, value: datetime) -> QuerySet[Run]:
        """A run that is open may have changed at any moment; one that has ended did so at its end."""
        return queryset.filter(
            Q(finished_at__isnull=True) | Q(finished_at__gte=value) | Q(created_at__gte=value)
        )


class QuestionFilter(django_filters.FilterSet):  # type: ignore[misc]
    """`GET /runs/:id/questions`."""

    status = OneOfMany(Question.Status.values)
    reason = django_filters.CharFilter()
    domain = django_filters.CharFilter(field_name="domain__name")
    prompt = django_filters.CharFilter(field_name="prompt_version__prompt__name")
    provider = django_filters.CharFilter(field_name="model__provider__name")
    model = django_filters.CharFilter(field_name="model__name")

    class Meta:
        model = Question
        fields: list[str] = []


class PromptFilter(django_filters.FilterSet):  # type: ignore[misc]
    """`GET /prompts`."""

    is_default = django_filters.BooleanFilter()
    is_archived = django_filters.BooleanFilter()

    class Meta:
        model = Prompt
        fields: list[str] = []
