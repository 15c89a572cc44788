"""The same project, with django-waffle in the stead of the check."""

from __future__ import annotations

from benchmarks.peers.idiomatic import settings as idiomatic

SECRET_KEY, ALLOWED_HOSTS, USE_TZ = idiomatic.SECRET_KEY, idiomatic.ALLOWED_HOSTS, idiomatic.USE_TZ
ROOT_URLCONF = "benchmarks.peers.waffle.urls"
INSTALLED_APPS = [*idiomatic.INSTALLED_APPS, "waffle"]
# As few as it runs with: what is compared is the flag.
MIDDLEWARE = ["django.middleware.common.CommonMiddleware", "waffle.middleware.WaffleMiddleware"]
DATABASES, CACHES, SIMPLE_JWT = idiomatic.DATABASES, idiomatic.CACHES, idiomatic.SIMPLE_JWT
REST_FRAMEWORK = {**idiomatic.REST_FRAMEWORK, "DEFAULT_THROTTLE_CLASSES": []}
