"""Uses that come together are drawn by `entitlements_draw_together` alone."""

from importlib import import_module

from django.db import migrations

MANY = import_module("entitlements.migrations.0012_draw_many").MANY


class Migration(migrations.Migration):
    dependencies = [("entitlements", "0016_uses_of_reservations_are_found")]

    operations = [migrations.RunSQL("DROP FUNCTION entitlements_draw_many;", MANY)]
