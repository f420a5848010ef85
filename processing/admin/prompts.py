"""Prompts and their versions. A wording is never edited: a new one is a new version, made through the service."""

from typing import Any

from django import forms
from django.contrib import admin, messages
from django.core.exceptions import PermissionDenied
from django.db.models import Max, QuerySet
from django.http import HttpRequest, HttpResponse, HttpResponseRedirect
from django.shortcuts import get_object_or_404
from django.template.response import TemplateResponse
from django.urls import URLPattern, path, reverse
from django.utils.safestring import SafeString

from processing.admin import show
from processing.admin.base import ProcessingAdmin, RecordAdmin, actor_name, errors_shown, titled
from processing.models import Prompt, PromptVersion
from processing.services.prompts import prompt_version_create


class VersionForm(forms.ModelForm):
    """A new wording."""

    class Meta:
        model = PromptVersion
        fields = ("system_text", "text", "max_output_tokens", "temperature")
        widgets = {
            "system_text": forms.Textarea(attrs={"rows": 3}),
            "text": forms.Textarea(attrs={"rows": 12}),
        }
        help_texts = {"text": "Variables: {domain}, {name}, {category}."}


@admin.register(Prompt)
class PromptAdmin(ProcessingAdmin[Prompt]):
    """What is asked; its page shows every version."""

    list_display = ("prompt", "name", "current", "default_shown", "archived_shown", "created")
    list_filter = (
        ("is_default", titled("default", admin.BooleanFieldListFilter)),
        ("is_archived", titled("archived", admin.BooleanFieldListFilter)),
    )
    search_fields = ("name", "label")
    fields = ("label", "name", "is_default", "is_archived")
    change_form_template = "admin/processing/prompt/change_form.html"

    def get_queryset(self, request: HttpRequest) -> QuerySet[Prompt]:
        return super().get_queryset(request).annotate(newest=Max("versions__number"))

    def get_readonly_fields(self, request: HttpRequest, obj: Prompt | None = None) -> tuple[str, ...]:
        return ("name",) if obj else ()

    def get_prepopulated_fields(self, request: HttpRequest, obj: Prompt | None = None) -> dict[str, Any]:
        return {} if obj else {"name": ("label",)}

    def has_delete_permission(self, request: HttpRequest, obj: Prompt | None = None) -> bool:
        """A prompt with versions was or may be asked: archive it instead."""
        return obj is not None and not obj.versions.exists() and super().has_delete_permission(request, obj)

    def has_version_permission(self, request: HttpRequest) -> bool:
        """Tell whether this user may write a new version."""
        return request.user.has_perm("processing.change_promptversion")

    @admin.display(description="prompt", ordering="label")
    def prompt(self, prompt: Prompt) -> str:
        return str(prompt)

    @admin.display(description="current version")
    def current(self, prompt: Prompt) -> str:
        newest: int | None = prompt.newest  # type: ignore[attr-defined]
        return f"v{newest}" if newest else "none yet"

    @admin.display(description="default", ordering="is_default", boolean=True)
    def default_shown(self, prompt: Prompt) -> bool:
        return prompt.is_default

    @admin.display(description="archived", ordering="is_archived", boolean=True)
    def archived_shown(self, prompt: Prompt) -> bool:
        return prompt.is_archived

    @admin.display(description="created", ordering="created_at")
    def created(self, prompt: Prompt) -> SafeString:
        return show.ago(prompt.created_at)

    def get_urls(self) -> list[URLPattern]:
        """Add the page that writes a new version."""
        view = self.admin_site.admin_view(self.version_view)
        return [path("<int:prompt_id>/version/", view, name="processing_prompt_version"), *super().get_urls()]

    def version_view(self, request: HttpRequest, prompt_id: int) -> HttpResponse:
        """Show the current wording in a form; on POST store it as a new version."""
        if not self.has_version_permission(request):
            raise PermissionDenied
        prompt = get_object_or_404(Prompt, pk=prompt_id)
        current = prompt.versions.order_by("-number").first()
        form = VersionForm(request.POST or None, instance=_copy(prompt, current))
        if request.method == "POST" and form.is_valid():
            with errors_shown(request):
                version = prompt_version_create(prompt, actor=actor_name(request), **form.cleaned_data)
                messages.success(
                    request, f"{version} is the current version now. Earlier answers keep theirs."
                )
                return HttpResponseRedirect(reverse("admin:processing_prompt_change", args=[prompt.pk]))
        context = {
            **self.admin_site.each_context(request), "opts": self.opts, "prompt": prompt, "form": form,
            "title": f"New version of {prompt}", "current": current,
        }  # fmt: skip
        return TemplateResponse(request, "admin/processing/prompt/version.html", context)

    def response_add(
        self, request: HttpRequest, obj: Prompt, post_url_continue: str | None = None
    ) -> HttpResponse:
        """A new prompt has no wording yet: go on to write it."""
        messages.info(request, f"{obj} is made. It is asked once it has a first version.")
        return HttpResponseRedirect(reverse("admin:processing_prompt_version", args=[obj.pk]))

    def change_view(
        self,
        request: HttpRequest,
        object_id: str,
        form_url: str = "",
        extra_context: dict[str, Any] | None = None,
    ) -> HttpResponse:
        extra = {**(extra_context or {}), "may_version": self.has_version_permission(request)}
        prompt = self.get_object(request, object_id)
        if prompt is not None and self.has_view_permission(request, prompt):
            extra |= {
                "prompt": prompt,
                "versions": list(prompt.versions.order_by("-number")),
                "title": str(prompt),
                "subtitle": None,
            }
        return super().change_view(request, object_id, form_url, extra)


@admin.register(PromptVersion)
class PromptVersionAdmin(RecordAdmin[PromptVersion]):
    """Wordings as they were asked."""

    list_display = ("version", "prompt", "max_output_tokens", "created_by", "created")
    list_filter = ("prompt",)
    list_select_related = ("prompt",)
    ordering = ("prompt__name", "-number")

    def get_queryset(self, request: HttpRequest) -> QuerySet[PromptVersion]:
        return super().get_queryset(request).select_related("prompt")

    @admin.display(description="version")
    def version(self, version: PromptVersion) -> str:
        return str(version)

    @admin.display(description="created", ordering="created_at")
    def created(self, version: PromptVersion) -> SafeString:
        return show.ago(version.created_at)


def _copy(prompt: Prompt, current: PromptVersion | None) -> PromptVersion:
    """Return an unsaved version with the current wording."""
    copy = PromptVersion(prompt=prompt, number=(current.number + 1) if current else 1)
    if current:
        copy.system_text, copy.text = current.system_text, current.text
        copy.max_output_tokens, copy.temperature = current.max_output_tokens, current.temperature
    return copy
