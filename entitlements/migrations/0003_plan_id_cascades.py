"""Let a change of a plan's id follow to what was granted for it (requirements.md, PL-09)."""

from django.db import migrations

from pricing.schema import follow_plan_id


class Migration(migrations.Migration):
    dependencies = [("entitlements", "0002_status_moves_guarded")]

    operations = [follow_plan_id("entitlements_entitlement")]
