"""What the back office does not show."""

from __future__ import annotations

from axes.models import AccessFailureLog, AccessLog
from django.contrib import admin
from django_otp.plugins.otp_static.models import StaticDevice

# Whoever could add a recovery code to another's would log in as him.
admin.site.unregister(StaticDevice)
# They stay empty: what was typed as a name is kept for as long as it locks, and no longer.
admin.site.unregister([AccessFailureLog, AccessLog])
