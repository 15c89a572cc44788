"""Access that staff and services decide to give: a plan's features or one feature, without a purchase."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field
from datetime import datetime
from typing import Any

from django.db import IntegrityError, transaction

from entitlements import grants, sharing
from entitlements.errors import SpanReversed
from entitlements.grants import Source, Terms
from entitlements.models import Award, SourceType
from entitlements.renewals import Span
from entitlements.staff_errors import DoesNotFit, NoSuchFeature
from events import clock, context, history
from events.asking import Asking, earlier
from pricing import plans, usage_limits
from pricing.errors import PlanNotForSale, UsageLimitsWrong
from pricing.inclusions import COLUMNS, Inclusion, misfits
from pricing.models import Feature, PlanVersion


@dataclass(frozen=True, slots=True)
class Gift:
    """What is given: the features of a plan as it is sold now, or one feature, over `[starts_at, ends_at)`.

    `limits` are usage limits in the words of plans (US-03): in the stead of the plan's, or those of the feature.
    """

    plan_id: str = ""
    feature_code: str = ""
    source_type: str = SourceType.MANUAL
    starts_at: datetime | None = None
    ends_at: datetime | None = None
    limits: object = None
    value: Any = None
    metadata: Mapping[str, str] = field(default_factory=dict)


def give(user_id: str, gift: Gift, *, reason: str, asking: Asking) -> tuple[Award, bool]:
    """Give a user access, and say whether an earlier request with this key did. Starts now when no start is named.

    Raises PlanNotFound, PlanNotForSale, NoSuchFeature, UsageLimitsWrong, DoesNotFit, SpanReversed, KeyReused.
    """
    if award := earlier(Award, asking):
        return award, True
    try:
        with context.explained(reason):
            return _give(user_id, gift, reason, asking), False
    except IntegrityError:
        if award := earlier(Award, asking):
            return award, True
        raise


@transaction.atomic
def _give(user_id: str, gift: Gift, reason: str, asking: Asking) -> Award:
    history.hold(history.user(user_id))
    version, feature, terms = _offer(gift)
    at = clock.now()
    starts_at = gift.starts_at or at
    if gift.ends_at is not None and gift.ends_at <= starts_at:
        raise SpanReversed(starts_at, gift.ends_at, field="expires_at")
    award = Award.objects.create(
        user_id=user_id,
        source_type=gift.source_type,
        version=version,
        feature=feature,
        reason=reason,
        actor=context.actor.get(),
        created_at=at,
        **asking.columns,
    )
    source = Source(SourceType(gift.source_type), str(award.pk))
    family_id = version and sharing.family_of(user_id, source.type, source.id, version)
    more = {"metadata": dict(gift.metadata), "family_id": family_id}
    noted = {code: {**each, **more} for code, each in terms.items()}
    grants.give(user_id, noted, source=source, span=Span(starts_at, gift.ends_at), at=at)
    return award


def _offer(gift: Gift) -> tuple[PlanVersion | None, Feature | None, Terms]:
    limits = {each.feature: each for each in usage_limits.compiled(gift.limits)} if gift.limits is not None else {}
    if not gift.plan_id:
        feature = Feature.objects.filter(pk=gift.feature_code).first()
        if feature is None:
            raise NoSuchFeature(gift.feature_code)
        return None, feature, {feature.code: _columns(_alone(feature, gift.value, limits))}
    version = plans.find(gift.plan_id).current
    if version is None:
        raise PlanNotForSale(gift.plan_id)
    terms = grants.terms_of(version)
    for code in limits.keys() - terms.keys():
        raise UsageLimitsWrong(f"plan {gift.plan_id} does not include it", code)
    return version, None, {code: {**each, **_columns(limits.get(code))} for code, each in terms.items()}


def _alone(feature: Feature, value: Any, limits: Mapping[str, Inclusion]) -> Inclusion:
    for code in limits.keys() - {feature.code}:
        raise UsageLimitsWrong(f"only {feature.code} is given", code)
    metered = feature.kind == Feature.Kind.METERED
    if metered and not limits:
        raise UsageLimitsWrong("its limit is missing: say a number, or null for unlimited", feature.code)
    if metered and value is not None:
        raise DoesNotFit("value", feature.code, feature.kind, "it has usage_limits, and no value")
    included = limits.get(feature.code) or Inclusion(feature.code, value=value)
    for wrong in misfits(included, feature):
        raise DoesNotFit("value", feature.code, feature.kind, wrong)
    return included


def _columns(included: Inclusion | None) -> dict[str, Any]:
    if included is None:
        return {}
    plain = {name: getattr(included, name) for name in COLUMNS}
    return {**plain, "period": included.period or "", "warn_at": list(included.warn_at)}
