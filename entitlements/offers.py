"""Plans for sale that have a feature: what to buy when the answer is no."""

from __future__ import annotations

from collections.abc import Iterator
from datetime import datetime
from fractions import Fraction
from uuid import UUID

from django.db.models import OuterRef, Subquery

from entitlements.spans import Grant
from entitlements.turns import Change, Offer, Turn
from pricing.inclusions import COLUMNS
from pricing.models import PlanFeature, PlanVersion

MONTHS = {PlanVersion.Cycle.YEARLY: 12}


def cheapest_first(user_id: str, feature_code: str, *, at: datetime) -> Iterator[Change]:
    """Yield what each plan for sale that has the feature would grant, by what a month of it costs in its currency."""
    published = PlanVersion.objects.filter(plan=OuterRef("version__plan"), published_at__lte=at).order_by("-number")
    rows = PlanFeature.objects.filter(
        feature=feature_code, version__plan__active=True, version=Subquery(published.values("pk")[:1])
    ).select_related("version")
    for row in sorted(rows, key=_price):
        version = row.version
        offer = Offer(
            version.plan_id, version.number, version.amount_minor, version.currency, str(version.billing_cycle)
        )
        yield Change(Turn.PLAN, offer=offer, grant=_grant(user_id, row, at))


def _price(row: PlanFeature) -> tuple[str, Fraction, str]:
    version = row.version
    months = MONTHS.get(PlanVersion.Cycle(version.billing_cycle), 1)
    return version.currency, Fraction(version.amount_minor, months), version.plan_id


def _grant(user_id: str, row: PlanFeature, at: datetime) -> Grant:
    terms = {name: getattr(row, name) for name in COLUMNS}
    return Grant(
        id=UUID(int=row.version_id.int ^ 1),
        source_type="subscription",
        source_id="",
        plan_id=row.version.plan_id,
        version=row.version.number,
        status="active",
        status_at=at,
        reason="",
        granted_at=at,
        starts_at=at,
        ends_at=None,
        grace_until=None,
        user_id=user_id,
        **{**terms, "period": row.period or "", "warn_at": tuple(row.warn_at)},
    )
