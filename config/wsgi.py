"""The web's entry point: Django, and in front of it the fast lanes for checks, uses and Stripe's events."""

import os

from django.core.wsgi import get_wsgi_application

os.environ.setdefault("DJANGO_SETTINGS_MODULE", "config.settings")
django = get_wsgi_application()

from config import boot, bulk_lane, check_lane, lane, usage_lane  # noqa: E402  (the checks are known when Django is set up)

boot.refuse_unsafe()
boot.keep_what_is_loaded()
application = check_lane.before(bulk_lane.before(usage_lane.before(lane.before(django))))
