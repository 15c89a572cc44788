import django.db.models.deletion
import django.db.models.functions.datetime
from django.db import migrations, models

import events.ids
import vault.fields


class Migration(migrations.Migration):
    dependencies = [("billing", "0009_customers_keep_their_stripe_ids")]

    operations = [
        migrations.CreateModel(
            name='CardSetup',
            fields=[
                ('principal', models.CharField(max_length=300)),
                ('idempotency_key', models.CharField(blank=True, max_length=255, null=True)),
                ('request_hash', models.CharField(blank=True, max_length=64)),
                ('busy_until', models.DateTimeField(blank=True, help_text='Somebody speaks to Stripe about it until then.', null=True)),
                ('attempt', models.PositiveSmallIntegerField(default=1)),
                ('id', models.UUIDField(default=events.ids.uuid7, editable=False, primary_key=True, serialize=False)),
                ('currency', models.CharField(blank=True, max_length=3)),
                ('stripe_id', models.CharField(blank=True, max_length=255, null=True, unique=True)),
                ('created_at', models.DateTimeField(db_default=django.db.models.functions.datetime.Now())),
            ],
        ),
        migrations.CreateModel(
            name='PaymentMethod',
            fields=[
                ('principal', models.CharField(max_length=300)),
                ('idempotency_key', models.CharField(blank=True, max_length=255, null=True)),
                ('request_hash', models.CharField(blank=True, max_length=64)),
                ('busy_until', models.DateTimeField(blank=True, help_text='Somebody speaks to Stripe about it until then.', null=True)),
                ('attempt', models.PositiveSmallIntegerField(default=1)),
                ('id', models.UUIDField(default=events.ids.uuid7, editable=False, primary_key=True, serialize=False)),
                ('stripe_id', models.CharField(max_length=255, unique=True)),
                ('type', models.CharField(max_length=32)),
                ('brand', models.CharField(blank=True, max_length=32)),
                ('last4', models.CharField(blank=True, max_length=4)),
                ('exp_month', models.PositiveSmallIntegerField(blank=True, null=True)),
                ('exp_year', models.PositiveSmallIntegerField(blank=True, null=True)),
                ('card_country', models.CharField(blank=True, max_length=2)),
                ('fingerprint', vault.fields.EncryptedTextField(blank=True)),
                ('fingerprint_index', vault.fields.BlindIndexField(of='fingerprint')),
                ('is_default', models.BooleanField(default=False)),
                ('looked_at', models.DateTimeField(blank=True, null=True)),
                ('attached_at', models.DateTimeField(blank=True, null=True)),
                ('detached_at', models.DateTimeField(blank=True, null=True)),
                ('created_at', models.DateTimeField(db_default=django.db.models.functions.datetime.Now())),
            ],
        ),
        migrations.AddField(
            model_name='cardsetup',
            name='customer',
            field=models.ForeignKey(on_delete=django.db.models.deletion.PROTECT, related_name='card_setups', to='billing.customer'),
        ),
        migrations.AddField(
            model_name='paymentmethod',
            name='customer',
            field=models.ForeignKey(on_delete=django.db.models.deletion.PROTECT, related_name='payment_methods', to='billing.customer'),
        ),
        migrations.AddField(
            model_name='paymentmethod',
            name='stripe_customer',
            field=models.ForeignKey(on_delete=django.db.models.deletion.PROTECT, related_name='+', to='billing.stripecustomer'),
        ),
        migrations.AddConstraint(
            model_name='cardsetup',
            constraint=models.UniqueConstraint(fields=('principal', 'idempotency_key'), name='one_card_setup_per_key'),
        ),
        migrations.AddIndex(
            model_name='paymentmethod',
            index=models.Index(fields=['customer', '-id'], name='payment_method_of_customer'),
        ),
        migrations.AddIndex(
            model_name='paymentmethod',
            index=models.Index(condition=models.Q(('attached_at', None)), fields=['created_at'], name='payment_method_unknown'),
        ),
        migrations.AddConstraint(
            model_name='paymentmethod',
            constraint=models.UniqueConstraint(fields=('principal', 'idempotency_key'), name='one_payment_method_per_key'),
        ),
        migrations.AddConstraint(
            model_name='paymentmethod',
            constraint=models.UniqueConstraint(condition=models.Q(('is_default', True)), fields=('stripe_customer',), name='one_default_payment_method'),
        ),
        migrations.AddConstraint(
            model_name='paymentmethod',
            constraint=models.CheckConstraint(condition=models.Q(('is_default', False), models.Q(('attached_at__isnull', False), ('detached_at', None)), _connector='OR'), name='default_is_attached'),
        ),
    ]
