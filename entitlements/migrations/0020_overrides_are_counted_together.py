"""Count what overrides of a limit give under one key, as it is counted from now on."""

from django.db import migrations

# Of several in one period the newest goes on; the others have counted apart until now.
TOGETHER = """
UPDATE entitlements_usagecounter AS counter SET pool = NULL
FROM (
    SELECT DISTINCT ON (apart.subject, apart.feature_code, apart.member, apart.period_start) apart.id
    FROM entitlements_usagecounter AS apart
    JOIN entitlements_override AS said ON said.id = apart.pool
    JOIN pricing_feature AS feature ON feature.code = apart.feature_code AND feature.consumable
    ORDER BY apart.subject, apart.feature_code, apart.member, apart.period_start, said.created_at DESC, said.id
) AS newest
WHERE counter.id = newest.id
"""


class Migration(migrations.Migration):
    dependencies = [("entitlements", "0019_draws_without_a_cap")]

    operations = [migrations.RunSQL(TOGETHER, migrations.RunSQL.noop)]
