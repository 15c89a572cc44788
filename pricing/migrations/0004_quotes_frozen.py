"""Refuse every change of a quote. Old quotes may be deleted."""

from django.db import migrations

from events.moves import frozen


class Migration(migrations.Migration):
    dependencies = [("pricing", "0003_sold_versions_frozen")]

    operations = [frozen("pricing_quote", when="TG_OP = 'UPDATE'", because="a quote never changes")]
