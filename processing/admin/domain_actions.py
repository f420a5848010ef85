"""What staff do to chosen domains, from the list and from a domain's page: each calls a service and says numbers."""

from django.contrib import messages
from django.db.models import QuerySet
from django.http import HttpRequest
from django.utils.html import format_html

from processing.admin import show
from processing.admin.base import actor_name, errors_shown, run_link
from processing.errors import NothingToRetry
from processing.models import Domain, Run
from processing.services import domains as domain_services
from processing.services.retries import domain_retry
from processing.services.runs import run_create

# Each function here that is a button of a domain's page, with the permission it needs.
PERMISSIONS = {
    "process_now": "start", "retry_failed": "start", "mark_due": "edit", "archive": "edit", "unarchive": "edit",
}  # fmt: skip
RETRY_AT_MOST = 100  # each retried domain gets a run of its own


def process_now(request: HttpRequest, queryset: QuerySet[Domain]) -> None:
    """Ask the chosen domains with the default prompts and models, whether due or not."""
    chosen = _fixed(queryset)
    run = run_create(actor=actor_name(request), kind=Run.Kind.STAFF, domains=chosen)
    n_domains = chosen.filter(is_archived=False).count()
    messages.success(
        request,
        format_html(
            "{} asks {} about {}.", run_link(run),
            show.plural(run.n_questions or 0, "question"), show.plural(n_domains, "domain"),
        ),
    )  # fmt: skip
    if left_out := chosen.filter(is_archived=True).count():
        messages.warning(request, f"{show.plural(left_out, 'archived domain')} left out.")


def retry_failed(request: HttpRequest, queryset: QuerySet[Domain]) -> None:
    """Ask again what has no answer, domain by domain."""
    domains = list(_fixed(queryset)[: RETRY_AT_MOST + 1])
    if len(domains) > RETRY_AT_MOST:
        messages.error(
            request,
            f"At most {RETRY_AT_MOST} domains at once: retry the failed questions of their run instead.",
        )
        return
    runs, n_complete = [], 0
    for domain in domains:
        try:
            with errors_shown(request, about=domain, but=(NothingToRetry,)):
                runs.append(domain_retry(domain, actor=actor_name(request)))
        except NothingToRetry as nothing:
            n_complete += 1
            reason = nothing.message
    if runs:
        n = sum(run.n_questions or 0 for run in runs)
        words = show.links(run_link(run) for run in runs[:10])
        messages.success(request, format_html("{} asked again: {}.", show.plural(n, "question"), words))
    if n_complete == 1:
        messages.info(request, reason)
    elif n_complete:
        messages.info(request, f"{show.plural(n_complete, 'domain')} had nothing to retry.")


def mark_due(request: HttpRequest, queryset: QuerySet[Domain]) -> None:
    """Make the chosen domains pending."""
    n = domain_services.domains_mark_due(_fixed(queryset), actor=actor_name(request))
    messages.success(
        request, f"{show.plural(n, 'domain')} due now; archived ones and those being asked stay as they are."
    )


def archive(request: HttpRequest, queryset: QuerySet[Domain]) -> None:
    """Take the chosen domains out of every selection; their answers are kept."""
    n = domain_services.domains_archive(_fixed(queryset), actor=actor_name(request))
    messages.success(request, f"{show.plural(n, 'domain')} archived. What was already asked goes on.")


def unarchive(request: HttpRequest, queryset: QuerySet[Domain]) -> None:
    """Put archived domains back into service."""
    n = domain_services.domains_unarchive(_fixed(queryset), actor=actor_name(request))
    messages.success(request, f"{show.plural(n, 'domain')} back in service.")


def _fixed(queryset: QuerySet[Domain]) -> QuerySet[Domain]:
    """Return the same rows by id: a filter by status would choose others once the action has begun to change them."""
    ids = list(queryset.order_by().values_list("pk", flat=True))
    return Domain.objects.filter(pk__in=ids)
