"""The web process' entry: `gunicorn domainsite.wsgi`."""

import os
import sys

from django.core.wsgi import get_wsgi_application

from domainsite.environment import SettingsError
from domainsite.readiness import NotPrepared, refuse_unprepared

GUNICORN_BOOT_ERROR = 3  # makes gunicorn give up at once instead of starting workers again and again

os.environ.setdefault("DJANGO_SETTINGS_MODULE", "domainsite.settings")
try:
    application = get_wsgi_application()
    refuse_unprepared()
except (SettingsError, NotPrepared) as error:
    sys.stderr.write(f"{error}\n")
    sys.exit(GUNICORN_BOOT_ERROR)
