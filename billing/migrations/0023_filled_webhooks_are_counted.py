from django.db import migrations, models


class Migration(migrations.Migration):
    dependencies = [("billing", "0022_old_webhook_bodies_are_found")]

    operations = [
        migrations.AddIndex(
            model_name="webhookevent",
            index=models.Index(condition=models.Q(("filled", True)), fields=["id"], name="webhook_filled"),
        ),
    ]
