"""Let a feature say what its values are, and a plan how a limit counts."""

import django.core.validators
import pricing.models.metering
from django.db import migrations, models


class Migration(migrations.Migration):

    dependencies = [
        ('pricing', '0007_zone_imports_once_per_key'),
    ]

    operations = [
        migrations.AddField(
            model_name='feature',
            name='choices',
            field=models.JSONField(blank=True, default=list, help_text='The values of an enum, the weakest first.'),
        ),
        migrations.AddField(
            model_name='feature',
            name='fail_policy',
            field=models.CharField(choices=[('open', 'Open'), ('closed', 'Closed')], default='closed', help_text='What a client does without an answer.', max_length=10),
        ),
        migrations.AddField(
            model_name='feature',
            name='value_type',
            field=models.CharField(choices=[('number', 'Number'), ('text', 'Text'), ('enum', 'Enum'), ('list', 'List')], default='text', help_text='What a static value is.', max_length=10),
        ),
        migrations.AddField(
            model_name='planfeature',
            name='anchor',
            field=models.CharField(choices=[('billing', 'Billing'), ('calendar', 'Calendar')], default='billing', help_text='Periods begin with the grant, or by calendar.', max_length=10),
        ),
        migrations.AddField(
            model_name='planfeature',
            name='member_cap',
            field=models.BigIntegerField(blank=True, help_text="What one member may use of a family's pool.", null=True, validators=[django.core.validators.MinValueValidator(0)]),
        ),
        migrations.AddField(
            model_name='planfeature',
            name='priority',
            field=models.SmallIntegerField(default=0, help_text='Lower is used up first.', validators=[django.core.validators.MinValueValidator(-100), django.core.validators.MaxValueValidator(100)]),
        ),
        migrations.AddField(
            model_name='planfeature',
            name='rollover_max',
            field=models.BigIntegerField(blank=True, help_text='Of what was not used, so much moves on.', null=True, validators=[django.core.validators.MinValueValidator(0)]),
        ),
        migrations.AddField(
            model_name='planfeature',
            name='time_zone',
            field=models.CharField(default='UTC', help_text='Whose calendar, such as Europe/Berlin.', max_length=64),
        ),
        migrations.AddField(
            model_name='planfeature',
            name='warn_at',
            field=models.JSONField(blank=True, default=pricing.models.metering.warnings_at, help_text='Percent of the limit, such as [80, 100].'),
        ),
        migrations.AddConstraint(
            model_name='feature',
            constraint=models.CheckConstraint(condition=models.Q(('value_type__in', ['number', 'text', 'enum', 'list'])), name='feature_value_type'),
        ),
        migrations.AddConstraint(
            model_name='feature',
            constraint=models.CheckConstraint(condition=models.Q(('fail_policy__in', ['open', 'closed'])), name='feature_fail_policy'),
        ),
        migrations.AddConstraint(
            model_name='planfeature',
            constraint=models.CheckConstraint(condition=models.Q(('anchor__in', ['billing', 'calendar'])), name='plan_feature_anchor'),
        ),
        migrations.AddConstraint(
            model_name='planfeature',
            constraint=models.CheckConstraint(condition=models.Q(('rollover_max', None), ('rollover_max__gte', 0), _connector='OR'), name='plan_feature_rollover_max'),
        ),
        migrations.AddConstraint(
            model_name='planfeature',
            constraint=models.CheckConstraint(condition=models.Q(('member_cap', None), ('member_cap__gte', 0), _connector='OR'), name='plan_feature_member_cap'),
        ),
    ]
