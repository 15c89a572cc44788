from django.db import migrations

from events.moves import guard

ZONE_CHECK = {
    "flagged": {"accepted", "refused", "refusing", "proposed"},
    "refusing": {"refused", "flagged"},
    "proposed": {"consented", "declined", "lapsed", "accepted", "refused"},
    "accepted": set(),
    "refused": set(),
    "consented": set(),
    "declined": set(),
    "lapsed": set(),
}


class Migration(migrations.Migration):
    dependencies = [("billing", "0027_zone_checks_that_propose_a_price")]

    operations = [guard("billing_zonecheck", ZONE_CHECK)]
