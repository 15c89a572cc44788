"""What the rules of the apps to the left may read of prices, as SQL."""

from __future__ import annotations

# What was quoted: id, version_id, amount_minor, currency.
QUOTED = "SELECT id, version_id, amount_minor, currency FROM pricing_quote"
# What a version includes: version_id, feature_code.
INCLUDED = "SELECT version_id, feature_id AS feature_code FROM pricing_planfeature"
