"""Refuse a change of status that the table of moves does not have."""

from django.db import migrations

from events.moves import guard

# The table of moves as it is at this migration; a test holds it against the model's.
MOVES = {
    "active": {"suspended", "expired", "canceled", "revoked"},
    "suspended": {"active", "expired", "canceled", "revoked"},
    "expired": {"active"},
    "canceled": {"active"},
    "revoked": set(),
}


class Migration(migrations.Migration):
    dependencies = [("entitlements", "0001_grants_of_features")]

    operations = [guard("entitlements_entitlement", MOVES)]
