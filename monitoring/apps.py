"""Registers the app with Django."""

import time

from django.apps import AppConfig

STARTED_S = time.monotonic()  # of this process: the app is loaded before anything is served


class MonitoringConfig(AppConfig):
    name = "monitoring"
    verbose_name = "Monitoring"
    default_auto_field = "django.db.models.BigAutoField"
