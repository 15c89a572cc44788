from django.db import migrations


def copy(apps, _editor):
    """Make a row for every customer that Stripe knows. May be repeated."""
    customers = apps.get_model("billing", "Customer")._base_manager.exclude(stripe_id=None)
    rows = apps.get_model("billing", "StripeCustomer")._base_manager
    for pk, stripe_id, created_at in customers.values_list("pk", "stripe_id", "created_at").iterator():
        rows.get_or_create(stripe_id=stripe_id, defaults={"customer_id": pk, "created_at": created_at})


class Migration(migrations.Migration):
    dependencies = [("billing", "0008_a_stripe_customer_for_each_currency")]

    operations = [migrations.RunPython(copy, migrations.RunPython.noop)]
