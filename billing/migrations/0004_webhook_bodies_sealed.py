from django.db import migrations

import vault.fields


class Migration(migrations.Migration):
    dependencies = [("billing", "0003_customers_with_sealed_names")]

    operations = [
        migrations.AlterField(
            model_name="webhookevent",
            name="body",
            field=vault.fields.EncryptedTextField(
                blank=True, bound_to="stripe_id", help_text="As Stripe sent it; empty once erased."
            ),
        )
    ]
