"""The addresses of this app under `/api/v2/`; a domain may be given by its id or its name."""

from django.urls import path

from processing.api.domains import (
    AnswersView,
    ArchiveView,
    DomainsView,
    DomainView,
    MarkPendingView,
    RetryView,
)
from processing.api.intake import ImportView
from processing.api.lists import PromptsView, StatsView
from processing.api.process import ProcessPendingView, UltraFastView
from processing.api.runs import (
    CancelView,
    PauseView,
    QuestionsView,
    ResumeView,
    RetryFailedView,
    RunsView,
    RunView,
)

urlpatterns = [
    path("process-pending-domains", ProcessPendingView.as_view(), name="process-pending-domains"),
    path("ultra-fast-process", UltraFastView.as_view(), name="ultra-fast-process"),
    path("domains", DomainsView.as_view(), name="domains"),
    path("domains/import", ImportView.as_view(), name="domains-import"),
    path("domains/mark-pending", MarkPendingView.as_view(), name="domains-mark-pending"),
    path("domains/archive", ArchiveView.as_view(), name="domains-archive"),
    path("domains/<str:reference>", DomainView.as_view(), name="domain"),
    path("domains/<str:reference>/answers", AnswersView.as_view(), name="domain-answers"),
    path("domains/<str:reference>/retry", RetryView.as_view(), name="domain-retry"),
    path("runs", RunsView.as_view(), name="runs"),
    path("runs/<int:pk>", RunView.as_view(), name="run"),
    path("runs/<int:pk>/questions", QuestionsView.as_view(), name="run-questions"),
    path("runs/<int:pk>/pause", PauseView.as_view(), name="run-pause"),
    path("runs/<int:pk>/resume", ResumeView.as_view(), name="run-resume"),
    path("runs/<int:pk>/cancel", CancelView.as_view(), name="run-cancel"),
    path("runs/<int:pk>/retry-failed", RetryFailedView.as_view(), name="run-retry-failed"),
    path("prompts", PromptsView.as_view(), name="prompts"),
    path("stats", StatsView.as_view(), name="stats"),
]
