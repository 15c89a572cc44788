"""Find the use that a reservation became."""

from django.db import migrations, models


class Migration(migrations.Migration):
    dependencies = [("entitlements", "0015_epochs_rise_in_order")]

    operations = [
        migrations.AddIndex(
            model_name="usageevent",
            index=models.Index(
                condition=models.Q(("reservation", None), _negated=True),
                fields=["reservation"],
                name="usage_of_a_reservation",
            ),
        ),
    ]
