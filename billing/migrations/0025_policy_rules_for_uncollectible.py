from django.db import migrations, models


class Migration(migrations.Migration):
    dependencies = [("billing", "0024_findings_of_grants")]

    operations = [
        migrations.AlterField(
            model_name="policyrule",
            name="cause",
            field=models.CharField(
                choices=[
                    ("full_refund", "Full Refund"),
                    ("partial_refund", "Partial Refund"),
                    ("dispute_opened", "Dispute Opened"),
                    ("dispute_won", "Dispute Won"),
                    ("dispute_lost", "Dispute Lost"),
                    ("past_due", "Past Due"),
                    ("unpaid", "Unpaid"),
                    ("paused", "Paused"),
                    ("uncollectible", "Uncollectible"),
                ],
                max_length=20,
            ),
        ),
    ]
