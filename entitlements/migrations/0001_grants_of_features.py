"""Make the table of entitlements: one row a grant of a feature to a user from a source."""

import django.db.models.deletion
import django.db.models.functions.datetime
import events.ids
from django.db import migrations, models


class Migration(migrations.Migration):

    initial = True

    dependencies = [
        ('pricing', '0004_quotes_frozen'),
    ]

    operations = [
        migrations.CreateModel(
            name='Entitlement',
            fields=[
                ('status', models.CharField(max_length=32)),
                ('status_at', models.DateTimeField()),
                ('id', models.UUIDField(default=events.ids.uuid7, editable=False, primary_key=True, serialize=False)),
                ('user_id', models.CharField(max_length=255)),
                ('family_id', models.CharField(blank=True, max_length=255, null=True)),
                ('source_type', models.CharField(choices=[('subscription', 'Subscription'), ('one_time', 'One Time'), ('trial', 'Trial'), ('promotion', 'Promotion'), ('manual', 'Manual'), ('family', 'Family'), ('import', 'Import')], max_length=20)),
                ('source_id', models.CharField(max_length=255)),
                ('subscription_id', models.CharField(blank=True, help_text="The subscription's id at Stripe.", max_length=255)),
                ('granted_at', models.DateTimeField()),
                ('starts_at', models.DateTimeField()),
                ('ends_at', models.DateTimeField(blank=True, help_text='Null: for life (PL-07).', null=True)),
                ('grace_until', models.DateTimeField(blank=True, null=True)),
                ('limit', models.BigIntegerField(blank=True, null=True)),
                ('period', models.CharField(blank=True, choices=[('day', 'Day'), ('week', 'Week'), ('month', 'Month'), ('quarter', 'Quarter'), ('year', 'Year'), ('never', 'Never')], max_length=10)),
                ('soft', models.BooleanField(default=False)),
                ('value', models.JSONField(blank=True, null=True)),
                ('reason', models.CharField(blank=True, choices=[('past_due', 'Past Due'), ('unpaid', 'Unpaid'), ('paused', 'Paused'), ('dispute', 'Dispute'), ('refund', 'Refund'), ('chargeback', 'Chargeback'), ('staff', 'Staff'), ('plan_changed', 'Plan Changed')], max_length=32)),
                ('metadata', models.JSONField(blank=True, default=dict)),
                ('created_at', models.DateTimeField(db_default=django.db.models.functions.datetime.Now(), editable=False)),
                ('updated_at', models.DateTimeField(db_default=django.db.models.functions.datetime.Now(), editable=False)),
                ('feature', models.ForeignKey(db_column='feature_code', db_index=False, on_delete=django.db.models.deletion.PROTECT, related_name='entitlements', to='pricing.feature')),
                ('plan', models.ForeignKey(blank=True, null=True, on_delete=django.db.models.deletion.PROTECT, related_name='+', to='pricing.plan')),
                ('version', models.ForeignKey(blank=True, null=True, on_delete=django.db.models.deletion.PROTECT, related_name='+', to='pricing.planversion')),
            ],
            options={
                'indexes': [models.Index(fields=['user_id', 'feature'], name='entitlement_check'), models.Index(condition=models.Q(('status', 'active')), fields=['ends_at'], name='entitlement_due')],
                'constraints': [models.UniqueConstraint(fields=('source_type', 'source_id', 'feature', 'user_id'), name='one_entitlement_per_source'), models.CheckConstraint(condition=models.Q(('ends_at', None), ('ends_at__gte', models.F('starts_at')), _connector='OR'), name='entitlement_ends_after_start'), models.CheckConstraint(condition=models.Q(('grace_until', None), models.Q(('ends_at__isnull', False), ('grace_until__gte', models.F('ends_at'))), _connector='OR'), name='entitlement_grace_after_end'), models.CheckConstraint(condition=models.Q(('limit', None), ('limit__gte', 0), _connector='OR'), name='entitlement_limit_not_negative'), models.CheckConstraint(condition=models.Q(('source_type__in', ['subscription', 'one_time', 'trial', 'promotion', 'manual', 'family', 'import'])), name='entitlement_source_type'), models.CheckConstraint(condition=models.Q(models.Q(('source_id', ''), _negated=True), models.Q(('user_id', ''), _negated=True)), name='entitlement_has_source_and_user'), models.CheckConstraint(condition=models.Q(('reason__in', ['', 'past_due', 'unpaid', 'paused', 'dispute', 'refund', 'chargeback', 'staff', 'plan_changed'])), name='entitlement_reason'), models.CheckConstraint(condition=models.Q(('period__in', ['', 'day', 'week', 'month', 'quarter', 'year', 'never'])), name='entitlement_period')],
            },
        ),
    ]
