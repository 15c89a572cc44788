"""Every setting, in one file. The environment changes values, never structure; `.env.example` names them."""

from __future__ import annotations

import os
from datetime import timedelta
from pathlib import Path
from typing import Any

import django_stubs_ext
import environ
from csp.constants import NONE
from django.templatetags.static import static
from django.urls import reverse_lazy

from config import environment, logs

# Lets Django's own classes be written with their types, such as ModelAdmin[Plan], when they run too.
django_stubs_ext.monkeypatch()

BASE_DIR = Path(__file__).resolve().parent.parent
environment.load(BASE_DIR, os.environ)
env = environ.Env()

# ---- the process ------------------------------------------------------------------------------------------------
APP_NAME = env.str("APP_NAME", "farebox")
ENVIRONMENT = env.str("ENVIRONMENT", "development")
DEBUG = env.bool("DEBUG", False)
SECRET_KEY = env.str("SECRET_KEY")
ALLOWED_HOSTS = env.list("ALLOWED_HOSTS", default=["localhost", "127.0.0.1", "[::1]"])
PORT = env.int("PORT", 9097)
PUBLIC_URL = env.str("PUBLIC_URL", f"http://127.0.0.1:{PORT}")
ROOT_URLCONF = "config.urls"
WSGI_APPLICATION = "config.wsgi.application"
DEFAULT_AUTO_FIELD = "django.db.models.BigAutoField"
LANGUAGE_CODE, FORMAT_MODULE_PATH = "en", "config.formats"
TIME_ZONE = "UTC"
USE_TZ = True

INSTALLED_APPS = [
    "unfold",
    "django.contrib.admin",
    "django.contrib.auth",
    "django.contrib.contenttypes",
    "django.contrib.sessions",
    "django.contrib.messages",
    "django.contrib.staticfiles",
    "corsheaders",
    "csp",
    "rest_framework",
    "drf_spectacular",
    "drf_spectacular_sidecar",
    "django_otp",
    "django_otp.plugins.otp_static",
    "axes",
    "djstripe",
    "config",
    "vault",
    "events",
    "keys",
    "pricing",
    "entitlements",
    "billing",
]
MIDDLEWARE = [
    "config.requests.identify",
    "config.metrics.measure",
    "config.ways.Fork",  # The API goes on where the ways meet.
    "config.headers.harden",
    "django.middleware.security.SecurityMiddleware",
    "whitenoise.middleware.WhiteNoiseMiddleware",
    "corsheaders.middleware.CorsMiddleware",
    "config.headers.ContentPolicy",
    "django.contrib.sessions.middleware.SessionMiddleware",
    "django.middleware.common.CommonMiddleware",
    "django.middleware.csrf.CsrfViewMiddleware",
    "django.contrib.auth.middleware.AuthenticationMiddleware",
    "django_otp.middleware.OTPMiddleware",
    "config.staff.guard",
    "django.contrib.messages.middleware.MessageMiddleware",
    "django.middleware.clickjacking.XFrameOptionsMiddleware",
    # Last, as it asks: it turns a locked-out login into an answer.
    "axes.middleware.AxesMiddleware",
    "config.ways.meet",
]
TEMPLATES: list[dict[str, Any]] = [
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

# ---- Postgres: the truth and the queue -----------------------------------------------------------------------------
DATABASES = {"default": env.db("DATABASE_URL", "postgres://postgres@127.0.0.1:5432/farebox")}
# A connection that Postgres has ended is noticed before it is used, and replaced.
DATABASES["default"] |= {"ENGINE": "config.postgres", "CONN_HEALTH_CHECKS": True}
DATABASES["default"]["OPTIONS"] = {
    "pool": {"min_size": 1, "max_size": env.int("DB_MAX_CONNECTIONS", 10), "timeout": 10},
    # A lost lock or a runaway query must not hold the others: the whole transaction is tried again.
    "options": "-c lock_timeout=10s -c statement_timeout=30s -c idle_in_transaction_session_timeout=60s",
}

# ---- history: what proves it -----------------------------------------------------------------------------------------
HISTORY_SIGNING_KEY = env.str("HISTORY_SIGNING_KEY", "")
HISTORY_PUBLIC_KEYS = env.list("HISTORY_PUBLIC_KEYS", default=[])
HISTORY_SEALS_DIR = env.str("HISTORY_SEALS_DIR", str(BASE_DIR / "var" / "seals"))

# ---- e-mail: without a server no mail is written ---------------------------------------------------------------------
EMAIL_URL = env.str("EMAIL_URL", "")
if EMAIL_URL:
    vars().update(env.email("EMAIL_URL"))
EMAIL_TIMEOUT = 10
DEFAULT_FROM_EMAIL = env.str("DEFAULT_FROM_EMAIL", "farebox@localhost")
# How many days before it happens a customer is told; of a renewal by the plan's billing cycle, the others never.
TRIAL_NOTICE_DAYS = env.int("TRIAL_NOTICE_DAYS", 3)
RENEWAL_NOTICE_DAYS = env.get_value("RENEWAL_NOTICE_DAYS", cast={"value": int}, default={"yearly": 7})
CARD_NOTICE_DAYS = env.int("CARD_NOTICE_DAYS", 30)

# ---- Valkey and Celery: doorbells ---------------------------------------------------------------------------------
REDIS_URL = env.str("REDIS_URL", "redis://127.0.0.1:6379/0")
# What a process remembers of the users that are asked about.
SNAPSHOT_MEMORY_BYTES = env.int("SNAPSHOT_MEMORY_BYTES", 64 * 1024 * 1024)
# Each takes a thread for minutes: fewer than the process has.
STREAMS_PER_PROCESS = env.int("STREAMS_PER_PROCESS", 4)
STREAM_SECONDS = env.int("STREAM_SECONDS", 300)

# ---- Stripe ----------------------------------------------------------------------------------------------------------
# Not named STRIPE_SECRET_KEY: dj-stripe would read it and fetch by itself; only billing.gateway speaks to Stripe.
STRIPE_API_KEY = env.str("STRIPE_SECRET_KEY", "")
STRIPE_API_BASE = env.str("STRIPE_API_BASE", "https://api.stripe.com")
STRIPE_API_VERSION = "2026-08-26.dahlia"
STRIPE_WEBHOOK_SECRET = env.str("STRIPE_WEBHOOK_SECRET", "")
# The one that was replaced: both are believed until Stripe has stopped signing with it.
STRIPE_WEBHOOK_SECRET_PREVIOUS = env.str("STRIPE_WEBHOOK_SECRET_PREVIOUS", "")
# Of each kind of object: Stripe counts all reads of an account together, and others read too.
STRIPE_FETCHES_PER_SECOND = env.int("STRIPE_FETCHES_PER_SECOND", 15)
WEBHOOK_FAST_LANE = env.bool("WEBHOOK_FAST_LANE", True)
WEBHOOK_RETENTION_DAYS = env.int("WEBHOOK_RETENTION_DAYS", 90)
STRIPE_TIMEOUT_SECONDS = env.float("STRIPE_TIMEOUT_SECONDS", 20)
STRIPE_LIVE_MODE = STRIPE_API_KEY.startswith(("sk_live_", "rk_live_"))
DJSTRIPE_FOREIGN_KEY_TO_FIELD = "id"
DJSTRIPE_USE_NATIVE_JSONFIELD = True
ALLOWED_RETURN_ORIGINS = env.list("ALLOWED_RETURN_ORIGINS", default=["http://localhost:3000", PUBLIC_URL])
# What one member of staff may give back of a payment alone, in minor units by currency; above it two admins decide.
REFUND_CAPS = env.get_value("REFUND_CAPS", cast={"value": int}, default={"usd": 10000, "eur": 10000, "gbp": 10000})
# So much dearer may a plan be where the card is from before the claimed country is flagged.
ZONE_TOLERANCE_PERCENT = env.int("ZONE_TOLERANCE_PERCENT", 10)
# What is done about a claimed country that does not hold, by its ground; what is not named is flagged for staff.
ZONE_POLICY = env.get_value("ZONE_POLICY", cast={"value": str}, default={})
ZONE_WITHOUT_CONSENT = env.str("ZONE_WITHOUT_CONSENT", "keep")

# ---- who may come in -------------------------------------------------------------------------------------------------
JWT_ALGORITHM = env.str("JWT_ALGORITHM", "HS256")
JWT_SECRET = env.str("JWT_SECRET", "")
AUTH_PUBLIC_KEY = env.str("AUTH_PUBLIC_KEY", "", multiline=True)
JWT_ISSUER = env.str("JWT_ISSUER", "farebox")
JWT_AUDIENCE = env.str("JWT_AUDIENCE", "farebox")
JWT_ISSUERS = env.json("JWT_ISSUERS") if env.str("JWT_ISSUERS", "") else {}
JWKS_ALLOWED_HOSTS = env.list("JWKS_ALLOWED_HOSTS", default=[])
AUTH_INSECURE_DEV = env.bool("AUTH_INSECURE_DEV", False)
ADMIN_HOST = env.str("ADMIN_HOST", "")
AUTH_PASSWORD_VALIDATORS = [
    {"NAME": "django.contrib.auth.password_validation.MinimumLengthValidator", "OPTIONS": {"min_length": 12}},
    {"NAME": "django.contrib.auth.password_validation.CommonPasswordValidator"},
]
# Five wrong passwords lock a name for a quarter of an hour, wherever they come from: many addresses guess no faster.
AUTHENTICATION_BACKENDS = ["axes.backends.AxesStandaloneBackend", "django.contrib.auth.backends.ModelBackend"]
AXES_FAILURE_LIMIT = 5
AXES_COOLOFF_TIME = timedelta(minutes=15)
AXES_LOCKOUT_PARAMETERS = ["username"]
# It asks for ip_address, lest a name be tried from many: ours is the stricter rule.
SILENCED_SYSTEM_CHECKS = ["axes.W006"]
AXES_RESET_ON_SUCCESS = True
AXES_RESET_COOL_OFF_ON_FAILURE_DURING_LOCKOUT = False
AXES_DISABLE_ACCESS_LOG = True
AXES_VERBOSE = False
OTP_TOTP_ISSUER = "Farebox"
CORS_ALLOWED_ORIGINS = env.list("CORS_ALLOWED_ORIGINS", default=[])
CORS_EXPOSE_HEADERS = [
    "ETag",
    "Retry-After",
    "Idempotent-Replayed",
    "RateLimit",
    "RateLimit-Policy",
    "X-Request-Id",
]
CORS_ALLOW_METHODS = ["GET", "POST", "PUT", "PATCH", "DELETE", "OPTIONS"]
CORS_ALLOW_CREDENTIALS = False
# Not on /admin/: its session is a cookie.
CORS_URLS_REGEX = r"^/(api|payments|ofrep)/"
CORS_ALLOW_HEADERS = [
    "authorization",
    "better-auth-token",
    "content-type",
    "idempotency-key",
    "if-none-match",
    "x-request-id",
    "change-reason",
]

# What Prometheus shows as a bearer token; without it /metrics is open, and the proxy keeps the world from it.
METRICS_TOKEN = env.str("METRICS_TOKEN", "")

# Requests of one principal, or without a token of one network, in 60 seconds.
RATE_LIMITED = True
RATE_LIMITS = {
    "default": env.int("RATE_LIMIT_PER_MINUTE", 100),
    "checkout": env.int("RATE_LIMIT_CHECKOUT", 10),
    "refunds": env.int("RATE_LIMIT_REFUNDS", 5),
    "service_checks": env.int("RATE_LIMIT_SERVICE_CHECKS", 6000),
    "webhooks": env.int("RATE_LIMIT_WEBHOOKS", 60),
}
TRUSTED_PROXY_COUNT = env.int("TRUSTED_PROXY_COUNT", 0)

# Plain checks, bulk ones too, and plain uses are answered in front of Django (config/*_lane.py).
CHECK_FAST_LANE = env.bool("CHECK_FAST_LANE", True)
USAGE_FAST_LANE = env.bool("USAGE_FAST_LANE", True)

# ---- the doors of HTTP -----------------------------------------------------------------------------------------------
BEHIND_TLS = env.bool("BEHIND_TLS", False)
SECURE_PROXY_SSL_HEADER = ("HTTP_X_FORWARDED_PROTO", "https") if BEHIND_TLS else None
SECURE_SSL_REDIRECT = BEHIND_TLS
SECURE_REDIRECT_EXEMPT = [r"^(health|healthz|livez|readyz|metrics)$"]
SESSION_COOKIE_SECURE = CSRF_COOKIE_SECURE = BEHIND_TLS
# Idle time: every page of the back office starts it anew (config/staff.py).
SESSION_COOKIE_AGE = 15 * 60
SESSION_EXPIRE_AT_BROWSER_CLOSE = True
SECURE_HSTS_SECONDS = 365 * 24 * 3600 if BEHIND_TLS else 0
SECURE_HSTS_INCLUDE_SUBDOMAINS = SECURE_HSTS_PRELOAD = BEHIND_TLS
SECURE_REFERRER_POLICY = "same-origin"
X_FRAME_OPTIONS = "DENY"
SECURE_CROSS_ORIGIN_OPENER_POLICY = "same-origin"
# What each path may load stands in config/headers.py.
CONTENT_SECURITY_POLICY = {"DIRECTIVES": {"default-src": [NONE], "frame-ancestors": [NONE]}}
DATA_UPLOAD_MAX_MEMORY_SIZE = 256 * 1024
STATIC_URL = "/static/"
STATIC_ROOT = BASE_DIR / "var" / "static"
STATICFILES_DIRS = [BASE_DIR / "templates" / "static"]
WHITENOISE_USE_FINDERS = True

# ---- the API ---------------------------------------------------------------------------------------------------------
REST_FRAMEWORK = {
    "DEFAULT_AUTHENTICATION_CLASSES": ["keys.authentication.ServiceKeyBearer", "config.api.authentication.BearerToken"],
    "DEFAULT_PERMISSION_CLASSES": ["config.api.permissions.ByTable", "config.api.strict.KnownQuery"],
    "DEFAULT_THROTTLE_CLASSES": ["config.api.limiting.ByPolicy"],
    "DEFAULT_RENDERER_CLASSES": ["config.api.strict.Plain"],
    "DEFAULT_PARSER_CLASSES": ["config.api.parsing.StrictJSON"],
    "DEFAULT_CONTENT_NEGOTIATION_CLASS": "config.api.strict.OneRenderer",
    "DEFAULT_SCHEMA_CLASS": "config.api.schema.Operation",
    "EXCEPTION_HANDLER": "config.errors.answer",
    "DEFAULT_METADATA_CLASS": None,
    "UNAUTHENTICATED_USER": "config.api.authentication.anonymous",
    "STRICT_JSON": True,
}
SPECTACULAR_SETTINGS = {
    "TITLE": "Farebox",
    "DESCRIPTION": "Plans, prices that fit each country, payments by Stripe; and may this user do this, now?",
    "VERSION": "1.0.0",
    "SCHEMA_PATH_PREFIX": "/api/v1",
    "SERVE_INCLUDE_SCHEMA": False,
    "SWAGGER_UI_DIST": "SIDECAR",
    "SWAGGER_UI_FAVICON_HREF": "SIDECAR",
    "COMPONENT_SPLIT_REQUEST": True,
    "ENUM_NAME_OVERRIDES": {
        "RefundReason": "billing.models.refund.Refund.Reason",
        "PaymentStatus": "billing.serializers.payments.SHOWN",
        "HoldReason": "entitlements.models.Reason",
        "InvitationStatus": "entitlements.models.family.FamilyMember.Status",
    },
    "SERVE_AUTHENTICATION": [],
    "SERVE_PERMISSIONS": ["rest_framework.permissions.AllowAny"],
}
UNFOLD = {
    "SITE_TITLE": "Farebox",
    "SITE_HEADER": "Farebox",
    "SITE_SUBHEADER": "Back office",
    "SITE_URL": reverse_lazy("home"),
    "SITE_ICON": lambda request: static("farebox/mark.svg"),
    "SHOW_HISTORY": True,
    "DASHBOARD_CALLBACK": "billing.admin.waiting.dashboard",
    "SITE_FAVICONS": [{"rel": "icon", "type": "image/svg+xml", "href": lambda request: static("farebox/mark.svg")}],
    "STYLES": [lambda request: static("farebox/admin.css")],
}

# ---- what is sealed at rest ------------------------------------------------------------------------------------------
ENCRYPTION_KEYS = env.str("ENCRYPTION_KEYS", "")
ENCRYPTION_KEY = env.str("ENCRYPTION_KEY", "")

# ---- logs ------------------------------------------------------------------------------------------------------------
LOG_LEVEL = env.str("LOG_LEVEL", "INFO").upper()
LOGGING = logs.configuration(LOG_LEVEL, insecure=AUTH_INSECURE_DEV)
