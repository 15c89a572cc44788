"""What staff say of one feature of one user, beside every grant: allow, deny, another value or limit."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass
from datetime import datetime
from typing import Any

from django.db import IntegrityError, transaction

from entitlements.errors import SpanReversed
from entitlements.models import Override
from entitlements.staff_errors import DoesNotFit, EndsInThePast, NoSuchFeature
from events import clock, context, history
from events.asking import Asking, earlier
from pricing.inclusions import wrong_value
from pricing.models import Feature

Effect = Override.Effect
TOLD = ("effect", "value", "limit", "operation", "starts_at", "ends_at", "ticket")


@dataclass(frozen=True, slots=True)
class Ruling:
    """What is said, over `[starts_at, ends_at)`, from now when no start is named.

    `has_limit` tells a limit of null, which is unlimited, from none that was named.
    """

    feature_code: str
    effect: str
    value: Any = None
    has_limit: bool = False
    limit: int | None = None
    operation: str = Override.Operation.SET
    starts_at: datetime | None = None
    ends_at: datetime | None = None
    ticket: str = ""


def add(user_id: str, ruling: Ruling, *, reason: str, asking: Asking) -> tuple[Override, bool]:
    """Add an override, and say whether an earlier request with this key did.

    It counts at commit. Raises NoSuchFeature, DoesNotFit, SpanReversed, EndsInThePast and KeyReused.
    """
    if override := earlier(Override, asking):
        return override, True
    try:
        with context.explained(reason):
            return _add(user_id, ruling, reason, asking), False
    except IntegrityError:
        if override := earlier(Override, asking):
            return override, True
        raise


@transaction.atomic
def remove(override: Override, *, reason: str) -> bool:
    """Take an override back from now on, and say whether this call did it. May be repeated."""
    history.hold(history.user(override.user_id))
    at = clock.now()
    if not Override.objects.filter(pk=override.pk, removed_at=None).update(removed_at=at):
        return False
    override.removed_at = at
    with context.explained(reason):
        _record("override.removed", override, at)
    return True


def require_sound(ruling: Ruling, *, at: datetime) -> Feature:
    """Return the feature. Raises NoSuchFeature, DoesNotFit, SpanReversed and EndsInThePast."""
    feature = Feature.objects.filter(pk=ruling.feature_code).first()
    if feature is None:
        raise NoSuchFeature(ruling.feature_code)
    for name, wrong in _misfits(ruling, feature):
        raise DoesNotFit(name, feature.code, feature.kind, wrong)
    starts_at = ruling.starts_at or at
    if ruling.ends_at is not None and ruling.ends_at <= starts_at:
        raise SpanReversed(starts_at, ruling.ends_at)
    if ruling.ends_at is not None and ruling.ends_at <= at:
        raise EndsInThePast("ends_at", ruling.ends_at, "name an end to come, or none")
    return feature


@transaction.atomic
def _add(user_id: str, ruling: Ruling, reason: str, asking: Asking) -> Override:
    history.hold(history.user(user_id))
    at = clock.now()
    feature = require_sound(ruling, at=at)
    override = Override.objects.create(
        user_id=user_id,
        feature=feature,
        effect=ruling.effect,
        value=ruling.value,
        limit=ruling.limit,
        operation=ruling.operation,
        starts_at=ruling.starts_at or at,
        ends_at=ruling.ends_at,
        ticket=ruling.ticket,
        reason=reason,
        actor=context.actor.get(),
        created_at=at,
        **asking.columns,
    )
    _record("override.created", override, at)
    return override


def _misfits(ruling: Ruling, feature: Feature) -> Iterator[tuple[str, str]]:
    of_value = ruling.effect == Effect.VALUE
    metered = of_value and feature.kind == Feature.Kind.METERED
    static = of_value and feature.kind == Feature.Kind.STATIC
    if of_value and not (metered or static):
        yield "effect", "it has no value to set: allow or deny it"
    if ruling.has_limit and not metered:
        yield "limit", "only the effect value of a metered feature takes a limit"
    if metered and not ruling.has_limit:
        yield "limit", "its limit is missing: say a number, or null for unlimited"
    if ruling.operation != Override.Operation.SET and not metered:
        yield "operation", "only a limit is added to or compared: set it"
    if ruling.value is not None and not static:
        yield "value", "only the effect value of a static feature takes a value"
    if static:
        yield from (("value", wrong) for wrong in wrong_value(ruling.value, feature))


def _record(type: str, override: Override, at: datetime) -> None:
    told = {name: getattr(override, name) for name in TOLD}
    plain = {name: value.isoformat() if isinstance(value, datetime) else value for name, value in told.items()}
    history.record(
        type,
        subject=history.user(override.user_id),
        object=f"override:{override.pk}",
        at=at,
        data={"user_id": override.user_id, "feature_code": override.feature_id, **plain},
    )
