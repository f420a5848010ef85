"""Registers the app with Django, and the check that keeps web and workers off an old database."""

from django.apps import AppConfig
from django.core.checks import register


class DomainsiteConfig(AppConfig):
    name = "domainsite"
    verbose_name = "Domain Processor"
    default_auto_field = "django.db.models.BigAutoField"

    def ready(self) -> None:
        from domainsite.readiness import migrations_check  # the app registry must be complete first

        register(migrations_check)
