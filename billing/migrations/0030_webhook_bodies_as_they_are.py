from __future__ import annotations

from typing import ClassVar

from django.db import migrations


class Migration(migrations.Migration):
    """A sealed text is as small as it can be: to try with each row costs more than to store it."""

    dependencies: ClassVar = [("billing", "0029_notices_of_a_proposed_price")]
    operations: ClassVar = [
        migrations.RunSQL(
            "ALTER TABLE billing_webhookevent ALTER COLUMN body SET STORAGE EXTERNAL",
            "ALTER TABLE billing_webhookevent ALTER COLUMN body SET STORAGE EXTENDED",
        )
    ]
