"""The page "Import domains": paste or file, a preview with the verdict on every row, and only then the load.

Nothing is kept between the two steps: the preview carries what was given (as base64, so that a file's bytes
stay as they were) and the load reads it again, through the same service as the API.
"""

import base64
import binascii
from collections import Counter
from typing import Any

from django import forms
from django.contrib import messages
from django.http import HttpRequest, HttpResponse, HttpResponseRedirect
from django.template.response import TemplateResponse
from django.urls import reverse
from django.utils.html import format_html

from processing.admin import show
from processing.admin.base import actor_name, errors_shown
from processing.models import Cohort
from processing.rules.import_rows import Format
from processing.services.intake import Verdict, VerdictKind, domains_import, parse_import

MAX_BYTES = 5 * 1024 * 1024
ROWS_SHOWN = 300
_PROBLEMS_FIRST = [
    VerdictKind.INVALID, VerdictKind.DUPLICATE, VerdictKind.CREATED, VerdictKind.UPDATED, VerdictKind.EXISTS,
]  # fmt: skip


class ImportForm(forms.Form):
    """What to import, and what to do with names that are known."""

    text = forms.CharField(
        required=False, strip=False, label="Paste",
        widget=forms.Textarea(attrs={"rows": 9, "placeholder": "nike.com\nadidas.com, Sport\nhttps://www.puma.com/shoes"}),
        help_text="One domain a line; or CSV with the columns domain, cohorts, display_name, category, priority, "
        "aliases; or JSON.",
    )  # fmt: skip
    file = forms.FileField(
        required=False, label="or a file", help_text="CSV, JSON or text, at most 10,000 rows."
    )
    cohort = forms.CharField(
        required=False, max_length=80, label="Cohort for all of them",
        widget=forms.TextInput(attrs={"list": "cohorts-known"}), help_text="A new name makes a new cohort.",
    )  # fmt: skip
    update = forms.BooleanField(
        required=False,
        label="Update known domains",
        help_text="Take over what the rows say, and leave the archive.",
    )
    payload = forms.CharField(required=False, widget=forms.HiddenInput)
    format = forms.ChoiceField(
        required=False, choices=[(f.value, f.value) for f in Format], widget=forms.HiddenInput
    )

    def clean(self) -> dict[str, Any]:
        """Give `data` and `format`, from the file, the preview's payload or the pasted text, in this order."""
        cleaned = super().clean() or self.cleaned_data
        upload = cleaned.get("file")
        if upload and upload.size > MAX_BYTES:
            raise forms.ValidationError(
                f"The file is larger than {MAX_BYTES // 1024**2} MB: import it in parts."
            )
        data = upload.read() if upload else _decoded(cleaned.get("payload", ""))
        if data is None:
            text = cleaned.get("text", "")
            data, cleaned["format"] = text.encode(), _format_of(text)
        elif upload:
            cleaned["format"] = _format_of(data[:2000].decode("utf-8", "ignore"), name=upload.name)
        if not data.strip():
            raise forms.ValidationError("Paste some domains or choose a file.")
        cleaned["data"] = data
        return cleaned


def import_view(request: HttpRequest, *, context: dict[str, Any]) -> HttpResponse:
    """Show the form; on POST preview, or load when the preview was confirmed."""
    form = ImportForm(request.POST or None, request.FILES or None)
    context |= {
        "title": "Import domains",
        "form": form,
        "cohorts": Cohort.objects.values_list("name", flat=True)[:200],
    }
    if request.method == "POST" and form.is_valid():
        with errors_shown(request):
            chosen, is_load = form.cleaned_data, "load" in request.POST
            verdicts, ignored = _imported(chosen, actor=actor_name(request), dry_run=not is_load)
            if is_load:
                return _loaded(request, verdicts)
            context |= _preview(verdicts, chosen) | {"ignored_columns": ignored}
    return TemplateResponse(request, "admin/processing/domain/import.html", context)


def _imported(chosen: dict[str, Any], *, actor: str, dry_run: bool) -> tuple[list[Verdict], list[str]]:
    read = parse_import(chosen["data"], kind=Format(chosen["format"] or Format.TEXT))
    cohorts = [chosen["cohort"]] if chosen["cohort"].strip() else []
    verdicts = domains_import(
        read.rows, actor=actor, cohorts=cohorts, dry_run=dry_run, update=chosen["update"]
    )
    return verdicts, read.ignored_columns


def _preview(verdicts: list[Verdict], chosen: dict[str, Any]) -> dict[str, Any]:
    """Return the context of the preview: problems first, then the rest, cut to what a page can hold."""
    counts = Counter(verdict.verdict for verdict in verdicts)
    ordered = sorted(verdicts, key=lambda verdict: (_PROBLEMS_FIRST.index(verdict.verdict), verdict.row))
    load_form = ImportForm(
        initial={
            "payload": base64.b64encode(chosen["data"]).decode(), "format": str(chosen["format"]),
            "cohort": chosen["cohort"], "update": chosen["update"],
        }
    )  # fmt: skip
    return {
        "is_preview": True,
        "load_form": load_form,
        "counts": [(kind, counts[kind]) for kind in (VerdictKind.CREATED, VerdictKind.UPDATED, VerdictKind.EXISTS,
                                                     VerdictKind.DUPLICATE, VerdictKind.INVALID)],
        "n_rows": len(verdicts),
        "n_usable": sum(counts[kind] for kind in (VerdictKind.CREATED, VerdictKind.UPDATED, VerdictKind.EXISTS)),
        "n_created": counts[VerdictKind.CREATED],
        "shown": ordered[:ROWS_SHOWN],
        "n_hidden": max(0, len(ordered) - ROWS_SHOWN),
        "cohort": chosen["cohort"],
    }  # fmt: skip


def _loaded(request: HttpRequest, verdicts: list[Verdict]) -> HttpResponse:
    counts = Counter(verdict.verdict for verdict in verdicts)
    words = ", ".join(f"{counts[kind]:,} {kind.value}" for kind in VerdictKind if counts[kind])
    messages.success(
        request,
        format_html(
            '{} read: {}. <a href="{}">Start a run</a> to ask about what is pending.',
            show.plural(len(verdicts), "row"), words, reverse("admin:processing_run_start"),
        ),
    )  # fmt: skip
    return HttpResponseRedirect(reverse("admin:processing_domain_changelist"))


def _decoded(payload: str) -> bytes | None:
    if not payload:
        return None
    try:
        return base64.b64decode(payload, validate=True)
    except (binascii.Error, ValueError) as error:
        raise forms.ValidationError("The preview was damaged on its way: paste the domains again.") from error


def _format_of(head: str, *, name: str = "") -> Format:
    """Tell the format by the file's ending, else by its first character and whether its first line has columns."""
    for ending, format_ in ((".json", Format.JSON), (".csv", Format.CSV), (".tsv", Format.CSV)):
        if name.lower().endswith(ending):
            return format_
    start = head.lstrip("\ufeff \r\n\t")
    if start.startswith(("[", "{")):
        return Format.JSON
    return Format.CSV if any(mark in start for mark in ",;\t") else Format.TEXT
