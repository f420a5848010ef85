"""All settings, and the only place that reads the environment.

Every variable is documented with its unit in `.env.example`. A wrong value stops the
start with a message that names the variable. How a value may be given, how secrets are
made in development and what production insists on stands in `domainsite/environment.py`.
"""

import tomllib
from pathlib import Path

from domainsite.environment import Environment
from providers.environment import provider_settings

BASE_DIR = Path(__file__).resolve().parent.parent
VERSION = tomllib.loads((BASE_DIR / "pyproject.toml").read_text(encoding="utf-8"))["project"]["version"]
env = Environment(base_dir=BASE_DIR)

# --- Where and how this installation runs ------------------------------------------------
ENVIRONMENT = env.choice("ENVIRONMENT", ["development", "staging", "production"], default="development")
IS_DEVELOPMENT = ENVIRONMENT == "development"
DEBUG = env.boolean("DEBUG", default=False)
if DEBUG and not IS_DEVELOPMENT:
    env.fail("DEBUG", f"must not be on in {ENVIRONMENT}: its error pages show settings and code")
# What running leaves behind: the SQLite file, the embedded server's data, made secrets.
STATE_DIR = env.path("STATE_DIR", default=BASE_DIR / "var")
PORT = env.integer("PORT", default=8000, minimum=1, maximum=65535, meaning="TCP port")
BIND_ADDRESS = env.text("BIND_ADDRESS", default="127.0.0.1")
PUBLIC_URL = env.url("PUBLIC_URL", default=f"http://127.0.0.1:{PORT}")
ALLOWED_HOSTS = env.host_names(
    "ALLOWED_HOSTS", default=["localhost", "127.0.0.1", "[::1]"], is_required=not IS_DEVELOPMENT
)
TRUSTED_PROXIES = env.integer("TRUSTED_PROXIES", default=0, minimum=0, maximum=10, meaning="proxies in front")

# --- Secrets -----------------------------------------------------------------------------
_made_in = STATE_DIR if IS_DEVELOPMENT else None
SECRET_KEY = env.secret("SECRET_KEY", min_length=50, made_in=_made_in)
SECRET_KEY_FALLBACKS = env.secrets("SECRET_KEY_FALLBACKS", min_length=50, is_strict=not IS_DEVELOPMENT)
# Key id → 32 bytes, newest first: the first encrypts provider keys in the database, all of them decrypt.
FIELD_ENCRYPTION_KEYS = env.encryption_keys("FIELD_ENCRYPTION_KEYS", made_in=_made_in)

# --- Apps --------------------------------------------------------------------------------
INSTALLED_APPS = [
    "domainsite",
    "monitoring",
    "processing",
    "providers",
    "domainsite.admin_site.AdminConfig",
    "django.contrib.auth",
    "django.contrib.contenttypes",
    "django.contrib.sessions",
    "django.contrib.messages",
    "whitenoise.runserver_nostatic",
    "django.contrib.staticfiles",
    "rest_framework",
    "django_filters",
    "django_rq",
]
MIDDLEWARE = [
    "domainsite.api.request_id.RequestIdMiddleware",
    "domainsite.api.requests.ApiRequestMiddleware",
    "django.middleware.security.SecurityMiddleware",
    "whitenoise.middleware.WhiteNoiseMiddleware",
    "django.contrib.sessions.middleware.SessionMiddleware",
    "django.middleware.common.CommonMiddleware",
    "django.middleware.csrf.CsrfViewMiddleware",
    "django.contrib.auth.middleware.AuthenticationMiddleware",
    "django.contrib.messages.middleware.MessageMiddleware",
    "domainsite.admin_site.QueuePagesMiddleware",
    "django.middleware.clickjacking.XFrameOptionsMiddleware",
]
ROOT_URLCONF = "domainsite.urls"
WSGI_APPLICATION = "domainsite.wsgi.application"
APPEND_SLASH = False
TEMPLATES = [
    {
        "BACKEND": "django.template.backends.django.DjangoTemplates",
        "DIRS": [BASE_DIR / "templates"],
        "APP_DIRS": True,
        "OPTIONS": {
            "context_processors": [
                "django.template.context_processors.request",
                "django.contrib.auth.context_processors.auth",
                "django.contrib.messages.context_processors.messages",
            ]
        },
    }
]
AUTH_PASSWORD_VALIDATORS = [
    {"NAME": f"django.contrib.auth.password_validation.{name}"}
    for name in (
        "UserAttributeSimilarityValidator",
        "MinimumLengthValidator",
        "CommonPasswordValidator",
        "NumericPasswordValidator",
    )
]
DEFAULT_AUTO_FIELD = "django.db.models.BigAutoField"

# --- Database: PostgreSQL by DATABASE_URL, else SQLite ------------------------------------
# Connections kept by one process: the web server sets it for itself (gunicorn.conf.py), workers fork without.
DATABASE_POOL = env.integer("DATABASE_POOL", default=0, minimum=0, maximum=100, meaning="connections")
DATABASES = {
    "default": env.database("DATABASE_URL", default_path=STATE_DIR / "db.sqlite3", pool_size=DATABASE_POOL)
}

# --- Redis and the queues: REDIS_URL, else the embedded server -----------------------------
REDIS_URL = env.redis("REDIS_URL", state_dir=STATE_DIR)
REDIS_IS_EMBEDDED = env.redis_is_embedded("REDIS_URL")
# Everything that we put into Redis beside RQ's own keys begins with this.
REDIS_KEY_PREFIX = env.text("REDIS_KEY_PREFIX", default="domainprocessor:")
DRAIN_QUEUES = ["high", "default", "low"]
SYSTEM_QUEUE = "system"
RQ_QUEUES = {
    name: {"URL": REDIS_URL, "SERIALIZER": "rq.serializers.JSONSerializer", "DEFAULT_TIMEOUT": 3600}
    for name in [*DRAIN_QUEUES, SYSTEM_QUEUE]
}
RQ = {"WORKER_CLASS": "processing.worker.DrainWorker", "COMMIT_MODE": "auto", "DEFAULT_RESULT_TTL": 0}
QUEUE_CONCURRENCY = env.integer(
    "QUEUE_CONCURRENCY", default=2, minimum=1, maximum=64, meaning="worker processes"
)
QUEUE_BATCH_SIZE = env.integer("QUEUE_BATCH_SIZE", default=100, minimum=1, maximum=1000, meaning="domains")
DRAIN_SLICE_S = env.integer("DRAIN_SLICE_S", default=900, minimum=5, maximum=86400, meaning="seconds")
SHUTDOWN_GRACE_S = env.integer("SHUTDOWN_GRACE_S", default=25, minimum=1, maximum=900, meaning="seconds")
RETRY_LIMIT = env.integer(
    "RETRY_LIMIT", default=3, minimum=1, maximum=10, meaning="counted calls per question"
)
REFRESH_AFTER_DAYS = env.optional_integer(
    "REFRESH_AFTER_DAYS", default=7, minimum=1, maximum=3650, meaning="days"
)

# --- Providers ----------------------------------------------------------------------------
# Keys and overrides by prefix, as {prefix: ProviderSettings}; see `.env.example`.
PROVIDER_SETTINGS = env.parsed(provider_settings)

# --- Web ----------------------------------------------------------------------------------
USE_TZ = True
TIME_ZONE = "UTC"
LANGUAGE_CODE = "en-us"
USE_I18N = False
STATIC_URL = "static/"
STATICFILES_DIRS = [BASE_DIR / "templates" / "static"]
WHITENOISE_USE_FINDERS = True  # served out of the apps: no collecting step that could be forgotten
DATA_UPLOAD_MAX_MEMORY_SIZE = 10 * 1024 * 1024  # bytes; an import of 10,000 rows is about 1 MB
LOGIN_URL = "admin:login"
CSRF_FAILURE_VIEW = "domainsite.error_views.csrf_failure"
_is_https = PUBLIC_URL.startswith("https://")
CSRF_TRUSTED_ORIGINS = [PUBLIC_URL]
SESSION_COOKIE_SECURE = CSRF_COOKIE_SECURE = _is_https
SECURE_SSL_REDIRECT = _is_https and not IS_DEVELOPMENT
SECURE_REDIRECT_EXEMPT = [r"^(livez|readyz)$"]  # a load balancer asks by plain http
SECURE_HSTS_SECONDS = 31_536_000 if SECURE_SSL_REDIRECT else 0
SECURE_HSTS_INCLUDE_SUBDOMAINS = SECURE_HSTS_PRELOAD = SECURE_SSL_REDIRECT
if TRUSTED_PROXIES:
    SECURE_PROXY_SSL_HEADER = ("HTTP_X_FORWARDED_PROTO", "https")

# --- API ----------------------------------------------------------------------------------
REST_FRAMEWORK = {
    "DEFAULT_AUTHENTICATION_CLASSES": [
        "domainsite.api.authentication.ClientKeyAuthentication",
        "domainsite.api.authentication.StaffSessionAuthentication",
    ],
    "DEFAULT_PERMISSION_CLASSES": [
        "domainsite.api.permissions.ScopePermission",
        "domainsite.api.permissions.KnownQueryParameters",
    ],
    "DEFAULT_PARSER_CLASSES": ["domainsite.api.parsers.JsonObjectParser"],
    "DEFAULT_RENDERER_CLASSES": [
        "rest_framework.renderers.JSONRenderer",
        "rest_framework.renderers.BrowsableAPIRenderer",
    ],
    "DEFAULT_PAGINATION_CLASS": "domainsite.api.pagination.IdCursorPagination",
    "DEFAULT_FILTER_BACKENDS": ["django_filters.rest_framework.DjangoFilterBackend"],
    "EXCEPTION_HANDLER": "domainsite.api.errors.error_response",
    "DATETIME_FORMAT": "%Y-%m-%dT%H:%M:%S.%fZ",
    "COERCE_DECIMAL_TO_STRING": True,
    "TEST_REQUEST_DEFAULT_FORMAT": "json",
    "UNAUTHENTICATED_USER": "django.contrib.auth.models.AnonymousUser",
}

# --- Logs ---------------------------------------------------------------------------------
LOG_LEVEL = env.choice("LOG_LEVEL", ["DEBUG", "INFO", "WARNING", "ERROR"], default="INFO")
LOGGING = {
    "version": 1,
    "disable_existing_loggers": False,
    "filters": {"request_id": {"()": "domainsite.api.request_id.RequestIdFilter"}},
    "formatters": {"line": {"format": "{asctime} {levelname} {name} [{request_id}] {message}", "style": "{"}},
    "handlers": {
        "console": {"class": "logging.StreamHandler", "formatter": "line", "filters": ["request_id"]}
    },
    "root": {"handlers": ["console"], "level": LOG_LEVEL},
    "loggers": {"rq.worker": {"level": LOG_LEVEL}},
}
env.raise_for_errors()
