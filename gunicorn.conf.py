"""How gunicorn serves the web process: `gunicorn domainsite.wsgi` reads this file by itself.

Threads, because requests wait for the database and, in `ultra-fast-process`, for models.
"""

import os
import sys

from domainsite.environment import SettingsError

workers = (
    1  # per-process state (probes under way, ultra-fast runs) stays in one place; threads serve the rest
)
threads = 16
os.environ.setdefault("DATABASE_POOL", str(threads))  # before the settings are read

try:
    from domainsite import settings
except SettingsError as error:
    sys.exit(str(error))

bind = f"{settings.BIND_ADDRESS}:{settings.PORT}"
worker_class = "gthread"
timeout = 180  # s; the longest answer is an ultra-fast run of 120 s
graceful_timeout = settings.SHUTDOWN_GRACE_S
keepalive = 5  # s
control_socket_disable = True  # its one default path would be shared by every installation of the user
accesslog = "-" if settings.LOG_LEVEL == "DEBUG" else None
