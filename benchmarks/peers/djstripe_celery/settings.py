"""A Django that takes Stripe's events as dj-stripe's documentation shows: its own view, a Celery task for each."""

import os

import environ

SECRET_KEY = os.environ["SECRET_KEY"]
ALLOWED_HOSTS = ["*"]
ROOT_URLCONF = "benchmarks.peers.djstripe_celery.urls"
INSTALLED_APPS = ["django.contrib.contenttypes", "django.contrib.auth", "djstripe"]
MIDDLEWARE = ["django.middleware.security.SecurityMiddleware", "django.middleware.common.CommonMiddleware"]
DATABASES = {"default": environ.Env().db("DATABASE_URL")}
# As generous as ours.
DATABASES["default"]["OPTIONS"] = {"pool": {"min_size": 1, "max_size": 10}}
USE_TZ = True
STRIPE_TEST_SECRET_KEY = os.environ["STRIPE_SECRET_KEY"]
STRIPE_LIVE_MODE = False
DJSTRIPE_FOREIGN_KEY_TO_FIELD = "id"
DJSTRIPE_WEBHOOK_EVENT_CALLBACK = "benchmarks.peers.djstripe_celery.tasks.ring"
LOGGING_CONFIG = None
