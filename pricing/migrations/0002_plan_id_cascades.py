"""Let a change of a plan's id follow to its versions and overrides (requirements.md, PL-09)."""

from django.db import migrations

from pricing.schema import follow_plan_id


class Migration(migrations.Migration):
    dependencies = [("pricing", "0001_plans_zones_quotes")]

    operations = [follow_plan_id("pricing_planversion"), follow_plan_id("pricing_priceoverride")]
