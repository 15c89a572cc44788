from django.db import migrations

from billing import redaction
from vault import rotation

MIRROR = [
    "Customer", "Product", "Price", "PaymentMethod", "PaymentIntent", "Charge", "Refund", "Subscription",
    "SubscriptionItem", "Invoice", "Session",
]


def seal_bodies(apps, _editor):
    rotation.seal_plain(apps.get_model("billing", "WebhookEvent"))


def redact_mirror(apps, _editor):
    for name in MIRROR:
        rows = apps.get_model("djstripe", name)._base_manager
        for row in rows.only("djstripe_id", "stripe_data").iterator(chunk_size=200):
            rows.filter(pk=row.pk).update(stripe_data=redaction.redacted(row.stripe_data or {}))
    apps.get_model("djstripe", "Customer")._base_manager.update(email="")


class Migration(migrations.Migration):
    # In batches of its own: a killed run is taken up by the next.
    atomic = False
    dependencies = [("billing", "0004_webhook_bodies_sealed"), ("djstripe", "0003_2_11")]

    operations = [
        migrations.RunPython(seal_bodies, migrations.RunPython.noop),
        migrations.RunPython(redact_mirror, migrations.RunPython.noop),
    ]
