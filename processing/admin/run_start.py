"""The page "Start a run": pending domains, all or of chosen cohorts, asked with chosen prompts and models."""

from typing import Any

from django import forms
from django.contrib import messages
from django.http import HttpRequest, HttpResponse, HttpResponseRedirect
from django.template.response import TemplateResponse
from django.urls import reverse
from django.utils.html import format_html

from processing.admin import show
from processing.admin.base import actor_name, errors_shown, run_link
from processing.models import Cohort, Prompt, Run
from processing.services import planning
from processing.services.runs import pending_run_create
from providers.models import LanguageModel
from providers.selectors import blocked_reasons

MAX_BATCH = 1_000_000


class StartForm(forms.Form):
    """What to ask; nothing chosen means the defaults, as in the API."""

    cohorts = forms.ModelMultipleChoiceField(
        Cohort.objects.all(), required=False, to_field_name="name", widget=forms.CheckboxSelectMultiple,
        help_text="None chosen: all pending domains.",
    )  # fmt: skip
    batch_size = forms.IntegerField(
        required=False, min_value=1, max_value=MAX_BATCH, label="At most this many domains",
        help_text="Most urgent first. Empty: all that are pending.",
    )  # fmt: skip
    prompts = forms.ModelMultipleChoiceField(
        Prompt.objects.filter(is_archived=False), required=False, to_field_name="name",
        widget=forms.CheckboxSelectMultiple, help_text="None chosen: the default prompts.",
    )  # fmt: skip
    models = forms.ModelMultipleChoiceField(
        LanguageModel.objects.none(), required=False, widget=forms.CheckboxSelectMultiple,
        help_text="Only models that can be asked now. None chosen: the default models of every provider.",
    )  # fmt: skip
    priority = forms.IntegerField(min_value=1, max_value=10, initial=5, help_text="10 is most urgent.")

    def __init__(self, *args: Any, usable: list[LanguageModel], **kwargs: Any) -> None:
        super().__init__(*args, **kwargs)
        chosen: Any = self.fields["models"]
        chosen.queryset = LanguageModel.objects.filter(pk__in=[m.pk for m in usable]).select_related(
            "provider"
        )
        self.initial.setdefault("prompts", list(Prompt.objects.filter(is_default=True, is_archived=False)))
        self.initial.setdefault("models", [model for model in usable if model.is_default])


def usable_models() -> list[LanguageModel]:
    """Return the models that can be asked now, by provider and name."""
    models = list(LanguageModel.objects.select_related("provider").filter(provider__is_enabled=True))
    blocked = blocked_reasons([model.pk for model in models])
    return [model for model in models if not blocked.get(model.pk)]


def start_view(request: HttpRequest, *, context: dict[str, Any]) -> HttpResponse:
    """Show the form; on POST start the run and go to its page."""
    usable = usable_models()
    form = StartForm(request.POST or None, usable=usable)
    if request.method == "POST" and form.is_valid():
        with errors_shown(request):
            run = _run_from(form.cleaned_data, actor=actor_name(request))
            if run is not None:
                n = show.plural(run.n_questions or 0, "question")
                messages.success(request, format_html("{} started with {}.", run_link(run), n))
                return HttpResponseRedirect(reverse("admin:processing_run_change", args=[run.pk]))
            messages.warning(
                request, "No domain is pending in this choice. Mark domains as due, or import new ones."
            )
    context |= {
        "title": "Start a run", "form": form, "usable": usable, "n_pending": planning.pending_domains().count(),
    }  # fmt: skip
    return TemplateResponse(request, "admin/processing/run/start.html", context)


def _run_from(chosen: dict[str, Any], *, actor: str) -> Run | None:
    return pending_run_create(
        actor=actor,
        kind=Run.Kind.STAFF,
        batch_size=chosen["batch_size"],
        priority=chosen["priority"],
        cohorts=[cohort.name for cohort in chosen["cohorts"]] or None,
        prompts=[prompt.name for prompt in chosen["prompts"]] or None,
        models=[str(model.pk) for model in chosen["models"]] or None,
    )
