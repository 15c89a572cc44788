from __future__ import annotations

from django.apps import apps
from django.contrib import admin

from config.office import ReadOnly

MIRRORED = ("Customer", "PaymentIntent", "Charge", "Refund", "Subscription", "Invoice", "Session", "Price", "Product")


class MirrorAdmin(ReadOnly):
    """Stripe's objects as dj-stripe keeps them: its own pages may add and fetch, these only show."""

    list_display = ("id", "created", "livemode")
    search_fields = ("id",)


for model in apps.get_app_config("djstripe").get_models():
    if admin.site.is_registered(model):
        admin.site.unregister(model)
for name in MIRRORED:
    admin.site.register(apps.get_model("djstripe", name), MirrorAdmin)
