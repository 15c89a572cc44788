"""Which plan version a price of a running Stripe account means."""

from __future__ import annotations

import re
from collections.abc import Mapping
from typing import Any

from billing.errors import CannotAdopt
from billing.models import StripePrice
from billing.prices import INTERVAL
from pricing import plans
from pricing.errors import PlanNotFound
from pricing.models import PlanVersion

Object = dict[str, Any]
# What billing.prices.lookup_key_of writes.
LOOKUP_KEY = re.compile(r"plan:(?P<plan>[-\w]+):v(?P<number>\d{1,9}):")


def version_of(price: Object, said: Mapping[str, str]) -> PlanVersion:
    """Find the version by our row, our lookup key, the metadata `plan_id` of price or product, then what was `said`.

    `said` maps ids of prices to ids of plans. Raises CannotAdopt: no plan, or one that bills otherwise.
    """
    version = _kept(price) or _named(price) or _said(price, said)
    if version is None:
        raise CannotAdopt(f"{price['id']} names no plan of ours: say --map {price['id']}=PLAN")
    _require_fitting(price, version)
    return version


def _kept(price: Object) -> PlanVersion | None:
    row = StripePrice.objects.select_related("version__plan").filter(stripe_id=price["id"]).first()
    return row.version if row else None


def _named(price: Object) -> PlanVersion | None:
    if found := LOOKUP_KEY.match(price["lookup_key"] or ""):
        return _version(found["plan"], found["number"])
    product = price["product"] if isinstance(price["product"], dict) else {}
    metadata = (product.get("metadata") or {}) | (price["metadata"] or {})
    return _version(metadata.get("plan_id", ""), metadata.get("version", ""))


def _said(price: Object, said: Mapping[str, str]) -> PlanVersion | None:
    if price["id"] not in said:
        return None
    version = _version(said[price["id"]], "")
    if version is None:
        raise CannotAdopt(f"{price['id']} is mapped to {said[price['id']]}, which is no published plan")
    return version


def _version(plan_id: str, number: str) -> PlanVersion | None:
    """Return the version of this number when it is said, else the one on sale."""
    try:
        plan = plans.find(plan_id)
    except PlanNotFound:
        return None
    if not number.isdecimal():
        return plan.current
    return next((one for one in plan.versions.all() if one.number == int(number) and one.published_at), None)


def _require_fitting(price: Object, version: PlanVersion) -> None:
    recurring = price["recurring"] or {}
    billed = (recurring.get("interval"), recurring.get("interval_count"), recurring.get("usage_type"))
    if billed != (INTERVAL.get(PlanVersion.Cycle(version.billing_cycle)), 1, "licensed"):
        every = f"{billed[1]} {billed[0]}, {billed[2]}" if recurring else "once"
        raise CannotAdopt(f"{price['id']} bills {every}, and {version} is {version.billing_cycle}")
    if price["unit_amount"] is None:
        raise CannotAdopt(f"{price['id']} has no amount in whole minor units")
