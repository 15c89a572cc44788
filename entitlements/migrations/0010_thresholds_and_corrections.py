"""Remember which shares of a limit were told, what a reservation took above it, and find corrections."""

import django.db.models.deletion
import events.ids
from django.db import migrations, models

class Migration(migrations.Migration):

    dependencies = [
        ('entitlements', '0009_epochs_are_told'),
        ('pricing', '0008_meters_and_values'),
    ]

    operations = [
        migrations.CreateModel(
            name='UsageThreshold',
            fields=[
                ('id', models.UUIDField(default=events.ids.uuid7, editable=False, primary_key=True, serialize=False)),
                ('subject', models.CharField(max_length=300)),
                ('period_start', models.DateTimeField()),
                ('percent', models.PositiveSmallIntegerField()),
                ('used', models.BigIntegerField()),
                ('limit', models.BigIntegerField()),
                ('at', models.DateTimeField()),
            ],
        ),
        migrations.AddField(
            model_name='reservation',
            name='overage',
            field=models.BigIntegerField(default=0, help_text='How much of it was above a soft limit.'),
        ),
        migrations.AddIndex(
            model_name='usageevent',
            index=models.Index(condition=models.Q(('corrects', None), _negated=True), fields=['corrects'], name='usage_corrections'),
        ),
        migrations.AddField(
            model_name='usagethreshold',
            name='feature',
            field=models.ForeignKey(db_column='feature_code', db_index=False, on_delete=django.db.models.deletion.PROTECT, related_name='+', to='pricing.feature'),
        ),
        migrations.AddConstraint(
            model_name='usagethreshold',
            constraint=models.UniqueConstraint(fields=('subject', 'feature', 'period_start', 'percent'), name='one_threshold_per_period'),
        ),
    ]
