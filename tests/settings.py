"""The settings of the tests: the environment that they run in, then the project's own settings.

Everything lives in a temporary state directory. `DATABASE_URL` and `REDIS_URL` decide what is tested on;
of a given Redis only one database is used: the one in the address, else number 15. A `.env` file and
provider variables of the developer are left out, so that no test ever calls a provider.
"""

import os
import re
import tempfile
from urllib.parse import urlsplit

PROVIDER_VARIABLE = re.compile(r".+_(API_KEY(_?\d+)?(_FILE)?|BASE_URL|MODEL|RPM|TPM|MAX_IN_FLIGHT)")


def _redis_url(given: str) -> str:
    parts = urlsplit(given)
    has_database = bool(parts.path.strip("/")) if parts.scheme != "unix" else "db=" in parts.query
    return given if has_database or not given else f"{given.rstrip('/')}/15"


for _name in [name for name in os.environ if PROVIDER_VARIABLE.fullmatch(name)]:
    del os.environ[_name]
os.environ |= {
    "ENVIRONMENT": "development",
    "ENV_FILE": "",
    "STATE_DIR": tempfile.mkdtemp(prefix="dp-test-"),
    "REDIS_URL": _redis_url(os.environ.get("REDIS_URL", "")),
    "LOG_LEVEL": "WARNING",
}
for _name in (
    "DEBUG",
    "PUBLIC_URL",
    "PORT",
    "ALLOWED_HOSTS",
    "DATABASE_POOL",
    "REDIS_KEY_PREFIX",
    "SECRET_KEY_FALLBACKS",
):
    os.environ.pop(_name, None)

from domainsite.settings import *  # noqa: E402, F403 -- the environment must be set before they are read

PASSWORD_HASHERS = ["django.contrib.auth.hashers.MD5PasswordHasher"]  # logins in tests need not be slow
