"""Make the tables of families, overrides and usage, and of the version of a user's set."""

import django.contrib.postgres.fields
import django.core.validators
import django.db.models.deletion
import django.db.models.expressions
import events.ids
import pricing.models.metering
from django.db import migrations, models


class Migration(migrations.Migration):

    dependencies = [
        ('entitlements', '0003_plan_id_cascades'),
        ('pricing', '0008_meters_and_values'),
    ]

    operations = [
        migrations.CreateModel(
            name='Epoch',
            fields=[
                ('user_id', models.CharField(max_length=255, primary_key=True, serialize=False)),
                ('version', models.BigIntegerField()),
            ],
        ),
        migrations.CreateModel(
            name='Family',
            fields=[
                ('principal', models.CharField(max_length=300)),
                ('idempotency_key', models.CharField(blank=True, max_length=255, null=True)),
                ('request_hash', models.CharField(blank=True, max_length=64)),
                ('id', models.UUIDField(default=events.ids.uuid7, editable=False, primary_key=True, serialize=False)),
                ('owner_id', models.CharField(max_length=255)),
                ('name', models.CharField(blank=True, max_length=255)),
                ('created_at', models.DateTimeField()),
                ('closed_at', models.DateTimeField(blank=True, null=True)),
            ],
            options={
                'verbose_name_plural': 'families',
            },
        ),
        migrations.CreateModel(
            name='FamilyMember',
            fields=[
                ('status', models.CharField(max_length=32)),
                ('status_at', models.DateTimeField()),
                ('principal', models.CharField(max_length=300)),
                ('idempotency_key', models.CharField(blank=True, max_length=255, null=True)),
                ('request_hash', models.CharField(blank=True, max_length=64)),
                ('id', models.UUIDField(default=events.ids.uuid7, editable=False, primary_key=True, serialize=False)),
                ('user_id', models.CharField(blank=True, max_length=255)),
                ('role', models.CharField(choices=[('owner', 'Owner'), ('member', 'Member')], default='member', max_length=10)),
                ('secret_hash', models.CharField(blank=True, max_length=64)),
                ('invited_at', models.DateTimeField()),
                ('expires_at', models.DateTimeField(blank=True, help_text='Of the invitation.', null=True)),
                ('joined_at', models.DateTimeField(blank=True, null=True)),
                ('left_at', models.DateTimeField(blank=True, null=True)),
            ],
        ),
        migrations.CreateModel(
            name='Override',
            fields=[
                ('principal', models.CharField(max_length=300)),
                ('idempotency_key', models.CharField(blank=True, max_length=255, null=True)),
                ('request_hash', models.CharField(blank=True, max_length=64)),
                ('id', models.UUIDField(default=events.ids.uuid7, editable=False, primary_key=True, serialize=False)),
                ('user_id', models.CharField(max_length=255)),
                ('effect', models.CharField(choices=[('allow', 'Allow'), ('deny', 'Deny'), ('value', 'Value')], max_length=10)),
                ('value', models.JSONField(blank=True, help_text='Of a static feature.', null=True)),
                ('limit', models.BigIntegerField(blank=True, help_text='Of a metered feature; null is unlimited.', null=True)),
                ('operation', models.CharField(choices=[('set', 'Set'), ('add', 'Add'), ('max', 'Max')], default='set', help_text='How the limit meets that of the grants.', max_length=10)),
                ('reason', models.TextField()),
                ('ticket', models.CharField(blank=True, max_length=255)),
                ('actor', models.CharField(max_length=300)),
                ('starts_at', models.DateTimeField()),
                ('ends_at', models.DateTimeField(blank=True, null=True)),
                ('created_at', models.DateTimeField()),
                ('removed_at', models.DateTimeField(blank=True, null=True)),
            ],
        ),
        migrations.CreateModel(
            name='Reservation',
            fields=[
                ('status', models.CharField(max_length=32)),
                ('status_at', models.DateTimeField()),
                ('principal', models.CharField(max_length=300)),
                ('idempotency_key', models.CharField(blank=True, max_length=255, null=True)),
                ('request_hash', models.CharField(blank=True, max_length=64)),
                ('id', models.UUIDField(default=events.ids.uuid7, editable=False, primary_key=True, serialize=False)),
                ('user_id', models.CharField(max_length=255)),
                ('units', models.BigIntegerField()),
                ('committed', models.BigIntegerField(blank=True, null=True)),
                ('counters', django.contrib.postgres.fields.ArrayField(base_field=models.UUIDField(), default=list, size=None)),
                ('shares', django.contrib.postgres.fields.ArrayField(base_field=models.BigIntegerField(), default=list, size=None)),
                ('created_at', models.DateTimeField()),
                ('expires_at', models.DateTimeField()),
                ('metadata', models.JSONField(blank=True, default=dict)),
            ],
        ),
        migrations.CreateModel(
            name='UsageCounter',
            fields=[
                ('id', models.UUIDField(default=events.ids.uuid7, editable=False, primary_key=True, serialize=False)),
                ('subject', models.CharField(max_length=300)),
                ('pool', models.UUIDField(blank=True, null=True)),
                ('member', models.CharField(blank=True, max_length=255)),
                ('period_start', models.DateTimeField()),
                ('period_end', models.DateTimeField(blank=True, null=True)),
                ('rolled', models.BigIntegerField(default=0, help_text='What was left of the period before, and moved on.')),
                ('used', models.BigIntegerField(default=0)),
                ('reserved', models.BigIntegerField(default=0)),
                ('ceiling', models.BigIntegerField(blank=True, null=True)),
            ],
        ),
        migrations.CreateModel(
            name='UsageEvent',
            fields=[
                ('id', models.UUIDField(default=events.ids.uuid7, editable=False, primary_key=True, serialize=False)),
                ('principal', models.CharField(max_length=300)),
                ('event_id', models.CharField(help_text="The sender's own; CloudEvents: source and id.", max_length=512)),
                ('request_hash', models.CharField(max_length=64)),
                ('user_id', models.CharField(max_length=255)),
                ('units', models.BigIntegerField()),
                ('overage', models.BigIntegerField(default=0, help_text='How much of it was above a soft limit.')),
                ('counters', django.contrib.postgres.fields.ArrayField(base_field=models.UUIDField(), default=list, size=None)),
                ('shares', django.contrib.postgres.fields.ArrayField(base_field=models.BigIntegerField(), default=list, size=None)),
                ('at', models.DateTimeField(help_text='When it was used.')),
                ('recorded_at', models.DateTimeField()),
                ('corrects', models.UUIDField(blank=True, null=True)),
                ('reservation', models.UUIDField(blank=True, null=True)),
                ('reason', models.TextField(blank=True)),
                ('metadata', models.JSONField(blank=True, default=dict)),
            ],
        ),
        migrations.AddField(
            model_name='entitlement',
            name='anchor',
            field=models.CharField(choices=[('billing', 'Billing'), ('calendar', 'Calendar')], default='billing', help_text='Periods begin with the grant, or by calendar.', max_length=10),
        ),
        migrations.AddField(
            model_name='entitlement',
            name='member_cap',
            field=models.BigIntegerField(blank=True, help_text="What one member may use of a family's pool.", null=True, validators=[django.core.validators.MinValueValidator(0)]),
        ),
        migrations.AddField(
            model_name='entitlement',
            name='priority',
            field=models.SmallIntegerField(default=0, help_text='Lower is used up first.', validators=[django.core.validators.MinValueValidator(-100), django.core.validators.MaxValueValidator(100)]),
        ),
        migrations.AddField(
            model_name='entitlement',
            name='rollover_max',
            field=models.BigIntegerField(blank=True, help_text='Of what was not used, so much moves on.', null=True, validators=[django.core.validators.MinValueValidator(0)]),
        ),
        migrations.AddField(
            model_name='entitlement',
            name='time_zone',
            field=models.CharField(default='UTC', help_text='Whose calendar, such as Europe/Berlin.', max_length=64),
        ),
        migrations.AddField(
            model_name='entitlement',
            name='warn_at',
            field=models.JSONField(blank=True, default=pricing.models.metering.warnings_at, help_text='Percent of the limit, such as [80, 100].'),
        ),
        migrations.AddIndex(
            model_name='entitlement',
            index=models.Index(condition=models.Q(('family_id', None), _negated=True), fields=['family_id'], name='entitlement_family'),
        ),
        migrations.AddConstraint(
            model_name='entitlement',
            constraint=models.CheckConstraint(condition=models.Q(('anchor__in', ['billing', 'calendar'])), name='entitlement_anchor'),
        ),
        migrations.AddConstraint(
            model_name='entitlement',
            constraint=models.CheckConstraint(condition=models.Q(('rollover_max', None), ('rollover_max__gte', 0), _connector='OR'), name='entitlement_rollover_max'),
        ),
        migrations.AddConstraint(
            model_name='entitlement',
            constraint=models.CheckConstraint(condition=models.Q(('member_cap', None), ('member_cap__gte', 0), _connector='OR'), name='entitlement_member_cap'),
        ),
        migrations.AddConstraint(
            model_name='family',
            constraint=models.UniqueConstraint(fields=('principal', 'idempotency_key'), name='one_family_per_key'),
        ),
        migrations.AddConstraint(
            model_name='family',
            constraint=models.UniqueConstraint(condition=models.Q(('closed_at', None)), fields=('owner_id',), name='one_open_family_per_owner'),
        ),
        migrations.AddConstraint(
            model_name='family',
            constraint=models.CheckConstraint(condition=models.Q(('owner_id', ''), _negated=True), name='family_has_an_owner'),
        ),
        migrations.AddField(
            model_name='familymember',
            name='family',
            field=models.ForeignKey(on_delete=django.db.models.deletion.PROTECT, related_name='members', to='entitlements.family'),
        ),
        migrations.AddField(
            model_name='override',
            name='feature',
            field=models.ForeignKey(db_column='feature_code', on_delete=django.db.models.deletion.PROTECT, related_name='+', to='pricing.feature'),
        ),
        migrations.AddField(
            model_name='reservation',
            name='feature',
            field=models.ForeignKey(db_column='feature_code', db_index=False, on_delete=django.db.models.deletion.PROTECT, related_name='+', to='pricing.feature'),
        ),
        migrations.AddField(
            model_name='usagecounter',
            name='feature',
            field=models.ForeignKey(db_column='feature_code', db_index=False, on_delete=django.db.models.deletion.PROTECT, related_name='+', to='pricing.feature'),
        ),
        migrations.AddField(
            model_name='usageevent',
            name='feature',
            field=models.ForeignKey(db_column='feature_code', db_index=False, on_delete=django.db.models.deletion.PROTECT, related_name='+', to='pricing.feature'),
        ),
        migrations.AddIndex(
            model_name='familymember',
            index=models.Index(fields=['family', 'status'], name='family_members'),
        ),
        migrations.AddConstraint(
            model_name='familymember',
            constraint=models.UniqueConstraint(fields=('principal', 'idempotency_key'), name='one_invitation_per_key'),
        ),
        migrations.AddConstraint(
            model_name='familymember',
            constraint=models.UniqueConstraint(condition=models.Q(('status', 'active')), fields=('user_id',), name='one_family_at_a_time_per_user'),
        ),
        migrations.AddConstraint(
            model_name='familymember',
            constraint=models.UniqueConstraint(condition=models.Q(('role', 'owner'), ('status', 'active')), fields=('family',), name='one_owner_per_family'),
        ),
        migrations.AddConstraint(
            model_name='familymember',
            constraint=models.UniqueConstraint(condition=models.Q(('status', 'invited'), models.Q(('user_id', ''), _negated=True)), fields=('family', 'user_id'), name='one_open_invitation_per_user'),
        ),
        migrations.AddConstraint(
            model_name='familymember',
            constraint=models.CheckConstraint(condition=models.Q(models.Q(('status', 'active'), _negated=True), models.Q(('user_id', ''), _negated=True), _connector='OR'), name='active_member_has_a_user'),
        ),
        migrations.AddIndex(
            model_name='override',
            index=models.Index(fields=['user_id', 'feature'], name='override_check'),
        ),
        migrations.AddConstraint(
            model_name='override',
            constraint=models.UniqueConstraint(fields=('principal', 'idempotency_key'), name='one_override_per_key'),
        ),
        migrations.AddConstraint(
            model_name='override',
            constraint=models.CheckConstraint(condition=models.Q(('effect__in', ['allow', 'deny', 'value'])), name='override_effect'),
        ),
        migrations.AddConstraint(
            model_name='override',
            constraint=models.CheckConstraint(condition=models.Q(('operation__in', ['set', 'add', 'max'])), name='override_operation'),
        ),
        migrations.AddConstraint(
            model_name='override',
            constraint=models.CheckConstraint(condition=models.Q(('ends_at', None), ('ends_at__gt', models.F('starts_at')), _connector='OR'), name='override_ends_after_start'),
        ),
        migrations.AddConstraint(
            model_name='override',
            constraint=models.CheckConstraint(condition=models.Q(('limit', None), ('limit__gte', 0), _connector='OR'), name='override_limit_not_negative'),
        ),
        migrations.AddConstraint(
            model_name='override',
            constraint=models.CheckConstraint(condition=models.Q(models.Q(('reason', ''), _negated=True), models.Q(('user_id', ''), _negated=True)), name='override_has_reason_and_user'),
        ),
        migrations.AddIndex(
            model_name='reservation',
            index=models.Index(condition=models.Q(('status', 'held')), fields=['expires_at'], name='reservation_due'),
        ),
        migrations.AddIndex(
            model_name='reservation',
            index=models.Index(fields=['user_id', 'feature'], name='reservation_of_a_user'),
        ),
        migrations.AddConstraint(
            model_name='reservation',
            constraint=models.UniqueConstraint(fields=('principal', 'idempotency_key'), name='one_reservation_per_key'),
        ),
        migrations.AddConstraint(
            model_name='reservation',
            constraint=models.CheckConstraint(condition=models.Q(('units__gt', 0)), name='reservation_of_something'),
        ),
        migrations.AddConstraint(
            model_name='reservation',
            constraint=models.CheckConstraint(condition=models.Q(('expires_at__gt', models.F('created_at'))), name='reservation_ends_after_start'),
        ),
        migrations.AddConstraint(
            model_name='usagecounter',
            constraint=models.UniqueConstraint(fields=('subject', 'feature', 'pool', 'member', 'period_start'), name='one_counter_per_period', nulls_distinct=False),
        ),
        migrations.AddConstraint(
            model_name='usagecounter',
            constraint=models.CheckConstraint(condition=models.Q(('reserved__gte', 0), ('rolled__gte', 0), ('used__gte', 0)), name='counter_not_negative'),
        ),
        migrations.AddConstraint(
            model_name='usagecounter',
            constraint=models.CheckConstraint(condition=models.Q(('ceiling', None), ('ceiling__gte', django.db.models.expressions.CombinedExpression(models.F('used'), '+', models.F('reserved'))), _connector='OR'), name='counter_within_ceiling'),
        ),
        migrations.AddIndex(
            model_name='usageevent',
            index=models.Index(fields=['user_id', 'feature', 'at'], name='usage_of_a_user'),
        ),
        migrations.AddConstraint(
            model_name='usageevent',
            constraint=models.UniqueConstraint(fields=('principal', 'event_id'), name='one_usage_per_event_id'),
        ),
    ]
