"""Seal the secrets that django-otp's table kept in plain, and drop that table."""

from typing import Any

from django.db import migrations

PLAIN = "otp_totp_totpdevice"


def move(apps: Any, schema_editor: Any) -> None:
    """Take over every authenticator that was proved; an enrolment that was begun begins anew, with a code."""
    authenticators = apps.get_model("config", "Authenticator").objects
    connection = schema_editor.connection
    if PLAIN not in connection.introspection.table_names():
        return
    with connection.cursor() as cursor:
        # PLAIN is ours, no input.
        cursor.execute(f"SELECT user_id, name, key, last_t FROM {PLAIN} WHERE confirmed")  # noqa: S608
        for user, name, secret, last_t in cursor.fetchall():
            authenticators.create(user_id=user, name=name, secret=secret, last_t=last_t, confirmed=True)
        cursor.execute(f"DROP TABLE {PLAIN}")


class Migration(migrations.Migration):
    dependencies = [("config", "0001_authenticators")]

    operations = [migrations.RunPython(move, migrations.RunPython.noop)]
