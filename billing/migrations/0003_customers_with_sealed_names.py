from django.db import migrations, models

import vault.fields


class Migration(migrations.Migration):
    dependencies = [("billing", "0002_statuses_follow_their_tables")]

    operations = [
        migrations.AddField(
            model_name="customer",
            name="email",
            field=vault.fields.EncryptedTextField(blank=True, help_text="As the buyer told Stripe."),
        ),
        migrations.AddField(
            model_name="customer", name="email_index", field=vault.fields.BlindIndexField(of="email")
        ),
        migrations.AddField(
            model_name="customer",
            name="name",
            field=vault.fields.EncryptedTextField(blank=True, help_text="As the buyer told Stripe."),
        ),
        migrations.AddField(
            model_name="customer",
            name="erased_at",
            field=models.DateTimeField(
                blank=True, help_text="When what named the person was erased.", null=True
            ),
        ),
    ]
