from django.db import migrations

from events.moves import frozen


class Migration(migrations.Migration):
    dependencies = [("events", "0001_history")]

    operations = [frozen("events_event", because="history is only ever appended to")]
