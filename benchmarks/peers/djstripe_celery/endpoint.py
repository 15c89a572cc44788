"""Make the endpoint that dj-stripe wants to know of."""

from __future__ import annotations

import os
import sys

import django

if __name__ == "__main__":
    os.environ["DJANGO_SETTINGS_MODULE"] = "benchmarks.peers.djstripe_celery.settings"
    django.setup()
    from djstripe.models import WebhookEndpoint

    WebhookEndpoint.objects.create(
        id="we_benchmark",
        secret=sys.argv[1],
        url="http://127.0.0.1/",
        status="enabled",
        livemode=False,
        enabled_events=["*"],
        api_version="2026-08-26.dahlia",
        djstripe_validation_method="verify_signature",
    )
