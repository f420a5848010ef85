"""Registers the app with Django."""

from django.apps import AppConfig


class ProcessingConfig(AppConfig):
    name = "processing"
    verbose_name = "Processing"
    default_auto_field = "django.db.models.BigAutoField"
