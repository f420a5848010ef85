"""Template tags of the admin pages: the look of figures (`processing.admin.show`), the navigation, the home page."""

from typing import Any

from django import forms, template
from django.urls import NoReverseMatch, reverse
from django.utils.safestring import SafeString

from processing.admin import home, show

register = template.Library()

for _name in (
    "ago", "badge", "bar", "count", "coverage_bar", "coverage_words", "outcome_badge", "pace", "plural", "seconds",
    "share", "usd",
):  # fmt: skip
    register.filter(_name, getattr(show, _name))

# label, page, permissions of which one is enough
MAIN_LINKS = (
    ("Domains", "processing_domain_changelist", ("processing.view_domain", "processing.change_domain")),
    ("Runs", "processing_run_changelist", ("processing.view_run", "processing.change_run")),
    (
        "Questions",
        "processing_question_changelist",
        ("processing.view_question", "processing.change_question"),
    ),
    ("Prompts", "processing_prompt_changelist", ("processing.view_prompt", "processing.change_prompt")),
    ("Keys", "providers_apikey_changelist", ("providers.view_apikey", "providers.change_apikey")),
    (
        "Models",
        "providers_languagemodel_changelist",
        ("providers.view_languagemodel", "providers.change_languagemodel"),
    ),
    ("Queues", "django_rq_dashboard_changelist", ("django_rq.admin",)),
)


@register.simple_tag(takes_context=True)
def main_links(context: template.Context) -> list[dict[str, Any]]:
    """Return the links of the main navigation that this user may follow: `label`, `url`, `is_current`."""
    request = context["request"]
    links = [
        {"label": "Home", "url": reverse("admin:index"), "is_current": request.path == reverse("admin:index")}
    ]
    for label, page, permissions in MAIN_LINKS:
        url = _url_of(page)
        if url and any(request.user.has_perm(name) for name in permissions):
            links.append({"label": label, "url": url, "is_current": request.path.startswith(url)})
    return links


@register.simple_tag(takes_context=True)
def home_page(context: template.Context) -> home.Home:
    """Return what the home page shows to this user."""
    return home.home_for(context["request"].user)


APP_ORDER = ("processing", "providers", "domainsite", "auth", "django_rq")

APP_NAMES = {"domainsite": "API clients", "auth": "Staff", "django_rq": "Queues"}


@register.filter
def in_order(app_list: list[dict[str, Any]]) -> list[dict[str, Any]]:
    """Return the admin's apps with ours first, and the names of others as plain words."""
    place = {label: n for n, label in enumerate(APP_ORDER)}
    named = [{**app, "name": APP_NAMES.get(app["app_label"], app["name"])} for app in app_list]
    return sorted(named, key=lambda app: place.get(app["app_label"], len(place)))


@register.filter
def get(mapping: dict[Any, Any], key: Any) -> Any:
    """Look up a key; None when it is not there."""
    return mapping.get(key)


@register.filter
def field(form: forms.BaseForm, name: str) -> forms.BoundField:
    """Return a form's field by its name."""
    return form[name]


@register.filter
def spaced(word: str) -> str:
    """Show a stored word as people write it: `rate_limited` as "rate limited"."""
    return word.replace("_", " ")


@register.filter
def verdict_badge(verdict: str) -> SafeString:
    """Show what became of an imported row."""
    tones = {"created": "completed", "updated": "running", "invalid": "failed", "duplicate": "partial"}
    return show.badge(tones.get(verdict, "waiting"), str(verdict))


@register.filter
def words(text: str) -> list[str]:
    """Split a text into its words, to loop over a short fixed list."""
    return text.split()


def _url_of(page: str) -> str:
    """Return the address of an admin page, "" when its model is not registered."""
    try:
        return reverse(f"admin:{page}")
    except NoReverseMatch:
        return ""
