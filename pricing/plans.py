"""The verbs of the catalog: add a plan, draft and publish its terms, mark them sold."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import asdict, dataclass, fields
from datetime import datetime
from typing import Any

from django.db import transaction
from django.db.models import Max, QuerySet
from django.db.models.functions import Now

from events import history
from pricing import currencies, inclusions
from pricing.errors import AmountTooSmall, PlanNotForSale, PlanNotFound, PlanVersionFrozen
from pricing.inclusions import COLUMNS, Inclusion
from pricing.models import Feature, Plan, PlanFeature, PlanVersion
from pricing.money import Money, require_chargeable


@dataclass(frozen=True, slots=True)
class Terms:
    """What a version says. Amounts in minor units; `floor_minor` is what the plan costs us, in the same currency."""

    billing_cycle: str
    amount_minor: int
    currency: str = "usd"
    max_users: int | None = None
    trial_days: int = 0
    floor_minor: int | None = None
    charm: bool = False
    features: tuple[Inclusion, ...] = ()


TERMS_FIELDS = tuple(field.name for field in fields(Terms) if field.name != "features")


def find(plan_id: str) -> Plan:
    """Return the plan with its versions and overrides read. Raises PlanNotFound."""
    plan = Plan.objects.prefetch_related("versions", "overrides").filter(pk=plan_id).first()
    if plan is None:
        raise PlanNotFound(plan_id)
    return plan


def for_sale(plan_id: str) -> PlanVersion:
    """Return the version that a buyer of the plan gets now. Raises PlanNotFound and PlanNotForSale."""
    plan = find(plan_id)
    current = plan.current
    if current is None or not plan.active:
        raise PlanNotForSale(plan_id)
    return current


def features_of(version: PlanVersion) -> QuerySet[PlanFeature]:
    """Return what the version includes, by feature code, features read with it."""
    return version.features.select_related("feature").order_by("feature_id")


def terms_of(version: PlanVersion) -> Terms:
    """Read a version's terms, to compare them with others."""
    included = sorted(
        (Inclusion(row.feature_id, **{name: getattr(row, name) for name in COLUMNS}) for row in version.features.all()),
        key=lambda inclusion: inclusion.feature,
    )
    return Terms(**{name: getattr(version, name) for name in TERMS_FIELDS}, features=tuple(included))


@transaction.atomic
def add(plan_id: str, *, at: datetime, **said: Any) -> Plan:
    """Add a plan without a version. `said` are its fields: name, description, product_line, active, metadata."""
    plan = Plan.objects.create(pk=plan_id, **said)
    _record("plan.added", plan, at, before=None, after=said)
    return plan


@transaction.atomic
def change(plan: Plan, *, at: datetime, **said: Any) -> bool:
    """Change what is said of a plan, never its terms. Says whether anything changed. May be repeated."""
    locked = Plan.objects.select_for_update().get(pk=plan.pk)
    before = {name: getattr(locked, name) for name in said}
    if before == said:
        return False
    Plan.objects.filter(pk=plan.pk).update(**said, updated_at=Now())
    _record("plan.changed", locked, at, before=before, after=said)
    return True


@transaction.atomic
def rename(plan_id: str, new_id: str, *, at: datetime) -> Plan:
    """Give a plan another id; every reference follows in the database (PL-09). Raises PlanNotFound."""
    if not Plan.objects.filter(pk=plan_id).update(id=new_id, updated_at=Now()):
        raise PlanNotFound(plan_id)
    plan = Plan.objects.get(pk=new_id)
    # In both histories: the old id's ends here, the new id's begins.
    for subject in (plan_id, new_id):
        history.record(
            "plan.renamed",
            subject=f"plan:{subject}",
            object=f"plan:{new_id}",
            at=at,
            data={"before": {"id": plan_id}, "after": {"id": new_id}},
        )
    return plan


@transaction.atomic
def draft(plan: Plan, terms: Terms, *, at: datetime) -> PlanVersion:
    """Add the next version, not yet published.

    Raises UnknownCurrency, UnchargeableAmount, AmountTooSmall and InclusionMismatch.
    """
    require_sound(terms)
    Plan.objects.select_for_update().get(pk=plan.pk)
    last = PlanVersion.objects.filter(plan=plan).aggregate(last=Max("number"))["last"] or 0
    version = PlanVersion.objects.create(plan=plan, number=last + 1, **_columns(terms))
    _include(version, terms)
    _record("plan.drafted", plan, at, before=None, after=asdict(terms), object=f"plan_version:{version.pk}")
    return version


@transaction.atomic
def revise(version: PlanVersion, terms: Terms, *, at: datetime) -> bool:
    """Replace the terms of a version that nobody has bought, and say whether anything changed. May be repeated.

    Raises PlanVersionFrozen, and what `draft` raises.
    """
    require_sound(terms)
    locked = PlanVersion.objects.select_for_update().get(pk=version.pk)
    if locked.sold_at:
        raise PlanVersionFrozen(locked)
    before = terms_of(locked)
    if before == terms:
        return False
    PlanVersion.objects.filter(pk=version.pk).update(**_columns(terms))
    PlanFeature.objects.filter(version=version).delete()
    _include(version, terms)
    _record(
        "plan.revised", locked.plan, at, before=asdict(before), after=asdict(terms), object=f"plan_version:{version.pk}"
    )
    return True


@transaction.atomic
def publish(version: PlanVersion, at: datetime) -> bool:
    """Put a version up for sale, and say whether this call did it. May be repeated. Raises what `draft` raises."""
    terms = terms_of(version)
    require_sound(terms)
    if not PlanVersion.objects.filter(pk=version.pk, published_at=None).update(published_at=at):
        return False
    version.published_at = at
    _record("plan.published", version.plan, at, before=None, after=asdict(terms), object=f"plan_version:{version.pk}")
    return True


@transaction.atomic
def mark_sold(version: PlanVersion, at: datetime) -> bool:
    """Freeze a version at its first sale, and say whether this call did it. May be repeated.

    Billing calls it inside the transaction of the sale. Raises PlanNotForSale when the version was never published.
    """
    if not version.published_at:
        raise PlanNotForSale(version.plan_id)
    if not PlanVersion.objects.filter(pk=version.pk, sold_at=None).update(sold_at=at):
        return False
    version.sold_at = at
    _record("plan.sold", version.plan, at, before=None, after={"sold_at": at}, object=f"plan_version:{version.pk}")
    return True


def _columns(terms: Terms) -> dict[str, Any]:
    return {name: getattr(terms, name) for name in TERMS_FIELDS}


def _include(version: PlanVersion, terms: Terms) -> None:
    PlanFeature.objects.bulk_create(
        PlanFeature(
            version=version,
            feature_id=included.feature,
            **{name: getattr(included, name) for name in COLUMNS},
        )
        for included in terms.features
    )


def require_sound(terms: Terms) -> None:
    """Raise UnknownCurrency, UnchargeableAmount, AmountTooSmall or InclusionMismatch when terms cannot be sold."""
    amount = require_chargeable(Money(terms.amount_minor, terms.currency))
    smallest = max(currencies.find(terms.currency).smallest_minor, terms.floor_minor or 0)
    if amount.minor < 0 or 0 < amount.minor < smallest:
        raise AmountTooSmall(amount, Money(smallest, terms.currency))
    require_chargeable(Money(terms.floor_minor or 0, terms.currency))
    features = Feature.objects.in_bulk([included.feature for included in terms.features])
    for included in terms.features:
        inclusions.require_fitting(included, features.get(included.feature))


def _record(
    type: str, plan: Plan, at: datetime, *, before: Mapping[str, Any] | None, after: Mapping[str, Any], object: str = ""
) -> None:
    subject = f"plan:{plan.pk}"
    data = {"before": before, "after": {k: v.isoformat() if isinstance(v, datetime) else v for k, v in after.items()}}
    history.record(type, subject=subject, object=object or subject, at=at, data=data)
