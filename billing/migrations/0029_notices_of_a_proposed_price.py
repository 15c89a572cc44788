from django.db import migrations, models

KINDS = [
    ("trial_ending", "Trial Ending"),
    ("renewal_coming", "Renewal Coming"),
    ("payment_failed", "Payment Failed"),
    ("payment_recovered", "Payment Recovered"),
    ("subscription_canceled", "Subscription Canceled"),
    ("refunded", "Refunded"),
    ("card_expiring", "Card Expiring"),
    ("price_proposed", "Price Proposed"),
]


class Migration(migrations.Migration):
    dependencies = [("billing", "0028_zone_checks_follow_their_table")]

    operations = [migrations.AlterField("notice", "kind", models.CharField(choices=KINDS, max_length=32))]
