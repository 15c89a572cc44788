import django.db.models.deletion
import django.db.models.functions.datetime
from django.db import migrations, models

import vault.fields


class Migration(migrations.Migration):
    dependencies = [("billing", "0006_refunds_over_the_cap")]

    operations = [
        migrations.AddField(
            model_name='customer',
            name='attempt',
            field=models.PositiveSmallIntegerField(default=1),
        ),
        migrations.AddField(
            model_name='customer',
            name='busy_until',
            field=models.DateTimeField(blank=True, help_text='Somebody speaks to Stripe about it until then.', null=True),
        ),
        migrations.AddField(
            model_name='customer',
            name='changed_at',
            field=models.DateTimeField(blank=True, help_text='When this was last said here, not at Stripe.', null=True),
        ),
        migrations.AddField(
            model_name='customer',
            name='country',
            field=models.CharField(blank=True, help_text='ISO 3166-1 alpha-2.', max_length=2),
        ),
        migrations.AddField(
            model_name='customer',
            name='idempotency_key',
            field=models.CharField(blank=True, max_length=255, null=True),
        ),
        migrations.AddField(
            model_name='customer',
            name='principal',
            field=models.CharField(default='', max_length=300),
            preserve_default=False,
        ),
        migrations.AddField(
            model_name='customer',
            name='request_hash',
            field=models.CharField(blank=True, max_length=64),
        ),
        migrations.AddField(
            model_name='customer',
            name='updated_at',
            field=models.DateTimeField(db_default=django.db.models.functions.datetime.Now()),
        ),
        migrations.AlterField(
            model_name='customer',
            name='email',
            field=vault.fields.EncryptedTextField(blank=True),
        ),
        migrations.AlterField(
            model_name='customer',
            name='name',
            field=vault.fields.EncryptedTextField(blank=True),
        ),
        migrations.AlterField(
            model_name='customer',
            name='stripe_id',
            field=models.CharField(blank=True, help_text='The first that is open of his Stripe customers.', max_length=255, null=True, unique=True),
        ),
        migrations.AddIndex(
            model_name='customer',
            index=models.Index(fields=['country'], name='customer_country'),
        ),
        migrations.AddConstraint(
            model_name='customer',
            constraint=models.UniqueConstraint(fields=('principal', 'idempotency_key'), name='one_customer_per_key'),
        ),
    ]
