"""The web's entry point: Django, and in front of it the fast lanes for checks, uses and Stripe's events."""

import os

from django import setup

os.environ.setdefault("DJANGO_SETTINGS_MODULE", "config.settings")
setup(set_prefix=False)

from config import boot, bulk_lane, check_lane, entrance, lane, usage_lane  # noqa: E402  (Django is set up before)

django = entrance.Entrance()

boot.refuse_unsafe()
boot.keep_what_is_loaded()
application = check_lane.before(bulk_lane.before(usage_lane.before(lane.before(django))))
