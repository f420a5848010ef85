"""Registers the app with Django."""

from django.apps import AppConfig


class DomainsiteConfig(AppConfig):
    name = "domainsite"
    verbose_name = "Domain Processor"
    default_auto_field = "django.db.models.BigAutoField"
