"""What the back office does not show: whoever could add a recovery code to another's would log in as him."""

from __future__ import annotations

from django.contrib import admin
from django_otp.plugins.otp_static.models import StaticDevice

admin.site.unregister(StaticDevice)
