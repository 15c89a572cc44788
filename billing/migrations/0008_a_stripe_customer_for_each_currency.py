import django.db.models.deletion
import django.db.models.functions.datetime
from django.db import migrations, models

import events.ids


class Migration(migrations.Migration):
    dependencies = [("billing", "0007_customers_that_are_asked_for")]

    operations = [
        migrations.CreateModel(
            name='StripeCustomer',
            fields=[
                ('id', models.UUIDField(default=events.ids.uuid7, editable=False, primary_key=True, serialize=False)),
                ('stripe_id', models.CharField(blank=True, max_length=255, null=True, unique=True)),
                ('currency', models.CharField(blank=True, max_length=3)),
                ('attempt', models.PositiveSmallIntegerField(default=1)),
                ('asked_at', models.DateTimeField(blank=True, null=True)),
                ('told_at', models.DateTimeField(blank=True, help_text='When Stripe took what was last said here.', null=True)),
                ('looked_at', models.DateTimeField(blank=True, null=True)),
                ('closed_at', models.DateTimeField(blank=True, help_text='Deleted at Stripe, or another has its currency.', null=True)),
                ('created_at', models.DateTimeField(db_default=django.db.models.functions.datetime.Now())),
            ],
        ),
        migrations.AddField(
            model_name='stripecustomer',
            name='customer',
            field=models.ForeignKey(on_delete=django.db.models.deletion.PROTECT, related_name='stripe_customers', to='billing.customer'),
        ),
        migrations.AddIndex(
            model_name='stripecustomer',
            index=models.Index(condition=models.Q(('stripe_id', None)), fields=['created_at'], name='stripe_customer_unknown'),
        ),
        migrations.AddConstraint(
            model_name='stripecustomer',
            constraint=models.UniqueConstraint(condition=models.Q(('closed_at', None)), fields=('customer', 'currency'), name='one_stripe_customer_per_currency'),
        ),
    ]
