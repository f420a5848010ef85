"""The web process' entry: `gunicorn domainsite.wsgi`."""

import os

from django.core.wsgi import get_wsgi_application

os.environ.setdefault("DJANGO_SETTINGS_MODULE", "domainsite.settings")
application = get_wsgi_application()
