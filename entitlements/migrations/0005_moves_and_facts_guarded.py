"""Refuse moves that the tables do not have, and changes of what is a fact."""

from django.db import migrations

from events.moves import frozen, guard

MEMBERS = {
    "invited": {"active", "declined", "expired"},
    "active": {"removed"},
    "removed": set(),
    "declined": set(),
    "expired": set(),
}
RESERVATIONS = {
    "held": {"committed", "released", "expired"},
    "committed": set(),
    "released": set(),
    "expired": set(),
}
# Metadata is emptied when a person is erased.
CHANGED = "(to_jsonb(NEW) - 'metadata') IS DISTINCT FROM (to_jsonb(OLD) - 'metadata')"
SAID = """TG_OP = 'DELETE' OR OLD.removed_at IS NOT NULL
    OR (to_jsonb(NEW) - 'removed_at') IS DISTINCT FROM (to_jsonb(OLD) - 'removed_at')"""


class Migration(migrations.Migration):
    dependencies = [("entitlements", "0004_families_overrides_usage")]

    operations = [
        guard("entitlements_familymember", MEMBERS),
        guard("entitlements_reservation", RESERVATIONS),
        frozen("entitlements_usageevent", when=f"TG_OP = 'DELETE' OR {CHANGED}", because="what was used is a fact"),
        frozen("entitlements_override", when=SAID, because="it is removed, never changed"),
    ]
