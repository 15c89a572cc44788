from django.db import migrations, models


class Migration(migrations.Migration):
    dependencies = [("billing", "0021_gaps_in_what_stripe_told")]

    operations = [
        migrations.AddIndex(
            model_name='webhookevent',
            index=models.Index(condition=models.Q(('status__in', ['processed', 'ignored']), models.Q(('body', ''), _negated=True)), fields=['status_at'], name='webhook_bodies'),
        ),
    ]
