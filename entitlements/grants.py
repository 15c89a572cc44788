"""The only writers of entitlements; `amendments` alone changes one of them by hand.

Each locks the rows it looks at in the order of user and id, writes one row of history for each change of an
entitlement, and changes and announces nothing when there is nothing to change. Each runs inside its caller's
transaction, because access must stand or fall with what pays for it; only `expire_all_due` opens its own.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from datetime import datetime
from typing import Any
from uuid import UUID

from django.db import connection, transaction
from django.db.models import QuerySet
from django.db.models.functions import Greatest

from entitlements import sharing, story
from entitlements.changes import change
from entitlements.errors import GraceWithoutEnd, UnknownReason
from entitlements.models import Entitlement, Reason, SourceType
from entitlements.renewals import Span, hold_of, is_over, start_after, status_after
from events import history
from pricing import plans
from pricing.inclusions import COLUMNS
from pricing.models import PlanVersion

Status = Entitlement.Status
# What a grant holds beside its source and dates, by feature code.
Terms = Mapping[str, Mapping[str, Any]]


@dataclass(frozen=True, slots=True)
class Source:
    """Why somebody has access, such as `Source(SourceType.SUBSCRIPTION, "<our id of it>")`."""

    type: SourceType
    id: str


def grant(
    user_id: str,
    version: PlanVersion,
    *,
    source: Source,
    starts_at: datetime,
    ends_at: datetime | None,
    at: datetime,
    grace_until: datetime | None = None,
    subscription_id: str = "",
    keep_suspended: bool = False,
) -> list[Entitlement]:
    """Let the source give the user exactly this version's features over `[starts_at, ends_at)`, and return them.

    May be repeated. Rows that are missing are made, others take the new dates and terms, an expired one runs again,
    a suspended one too unless `keep_suspended` or staff hold it back; features that the version lacks are canceled. A
    source that was revoked, or ended by `cancel`, gives nothing any more. A renewal without a gap keeps the first
    start, because limits count their periods from it. Raises SpanReversed, GraceWithoutEnd, and RuntimeError outside a
    transaction.
    """
    span = Span(starts_at, ends_at, grace_until)
    terms = terms_of(version, subscription_id, _shared_with(user_id, source, version))
    return give(user_id, terms, source=source, span=span, at=at, keep_suspended=keep_suspended)


def give(
    user_id: str, terms: Terms, *, source: Source, span: Span, at: datetime, keep_suspended: bool = False
) -> list[Entitlement]:
    """Let the source give the user exactly these terms by feature code: as `grant` does, of no version perhaps."""
    made = _make_missing(user_id, source, span, terms, at)
    rows = list(_locked(source).filter(user_id=user_id))
    if any(is_over(row) for row in rows):
        Entitlement.objects.filter(pk__in=made).delete()
        return []
    hold = hold_of(row for row in rows if row.id not in made)
    if not keep_suspended and hold != Reason.STAFF:
        hold = None
    for row in rows:
        if row.id in made:
            story.tell_created(row, at=at)
        elif row.status == Status.REVOKED:
            continue  # Staff took this one feature away for good.
        elif row.feature_id in terms:
            _renew(row, span, terms[row.feature_id], at=at, keep_suspended=keep_suspended)
        else:
            _cut(row, at=at, reason=Reason.PLAN_CHANGED)
        _keep_held(row, hold, at=at)
    return [row for row in rows if row.feature_id in terms]


def suspend(source: Source, *, reason: str, at: datetime) -> None:
    """Hold back what the source gives, from `at` on. May be repeated, also for another reason.

    What staff hold back stays theirs: another reason does not take its place. Raises UnknownReason.
    """
    _require_known(reason)
    for row in _locked(source):
        held_by_staff = row.status == Status.SUSPENDED and row.reason == Reason.STAFF
        if row.status in (Status.ACTIVE, Status.SUSPENDED) and not held_by_staff:
            change(row, at=at, status=Status.SUSPENDED, reason=reason)


def resume(source: Source, *, at: datetime) -> None:
    """Give again what was suspended. May be repeated."""
    for row in _locked(source).filter(status=Status.SUSPENDED):
        change(row, at=at, status=Status.ACTIVE, reason="")


def revoke(source: Source, *, reason: str, at: datetime) -> None:
    """Take away for good what the source gives, from `at` on. May be repeated. Raises UnknownReason.

    Staff take away one grant (`amendments`), and the rest of its source goes on.
    """
    _require_known(reason, but=Reason.STAFF)
    for row in _locked(source):
        if row.status in (Status.ACTIVE, Status.SUSPENDED):
            change(row, at=at, status=Status.REVOKED, reason=reason)


def is_revoked(source_id: str, *, reason: str) -> bool:
    """Say whether something that a source gave was taken away for good, for that reason."""
    rows = Entitlement.objects.filter(source_id=source_id, status=Status.REVOKED, reason=reason)
    return rows.exists()


def cancel(source: Source, *, at: datetime) -> None:
    """End by choice what the source gives, at `at` or where it ends before; no grace. May be repeated."""
    for row in _locked(source):
        _cut(row, at=at, reason="")


def shorten(source: Source, *, ends_at: datetime, grace_until: datetime | None, at: datetime) -> None:
    """Let access end at `ends_at` at the latest, with grace until `grace_until`: a renewal that was not paid.

    It never lengthens what was paid for. May be repeated. Raises GraceWithoutEnd.
    """
    if grace_until is not None and grace_until < ends_at:
        raise GraceWithoutEnd(grace_until, ends_at)
    rows = list(_locked(source))
    hold = hold_of(rows)
    for row in rows:
        if row.status not in (Status.REVOKED, Status.CANCELED):
            end = max(row.starts_at, min(ends_at, row.ends_at or ends_at))
            grace = grace_until and max(grace_until, end)
            status = status_after(row, grace or end, at=at, keep_suspended=True)
            change(row, at=at, status=status, ends_at=end, grace_until=grace)
            _keep_held(row, hold, at=at)


def share(user_id: str, family_id: UUID, *, at: datetime) -> None:
    """Let the family share what the user's family plans give him. May be repeated."""
    for row in _in_order(sharing.shareable(user_id)):
        change(row, at=at, status=row.status, family_id=str(family_id))


def take_back(user_id: str, family_id: UUID, *, at: datetime) -> None:
    """End it that the family shares anything of the user's. May be repeated."""
    for row in _in_order(Entitlement.objects.filter(user_id=user_id, family_id=str(family_id))):
        change(row, at=at, status=row.status, family_id=None)


def expire_due(*, at: datetime, limit: int = 500) -> int:
    """Write down what has ended, grace included, and return how many. Access never depends on it.

    Rows that somebody else holds are left for the next time.
    """
    if not connection.in_atomic_block:
        raise RuntimeError("what has ended must be written down inside a transaction")
    due = Entitlement.objects.alias(over_at=Greatest("ends_at", "grace_until")).filter(
        status=Status.ACTIVE, ends_at__lte=at, over_at__lte=at
    )
    owners = dict(due.order_by("user_id", "id").values_list("pk", "user_id")[:limit])
    # Billing records before it changes grants: whoever held rows here and waited for a history would stop it, and be
    # stopped by it.
    free = [user_id for user_id in sorted(set(owners.values())) if history.take(history.user(user_id))]
    rows = due.filter(pk__in=owners, user_id__in=free).order_by("user_id", "id").select_for_update(skip_locked=True)
    return sum(change(row, at=at, status=Status.EXPIRED) for row in rows)


def expire_all_due(*, at: datetime) -> int:
    """Write down all that has ended, in transactions of its own, one a batch; return how many. May be repeated."""
    total = 0
    while True:
        with transaction.atomic():
            written = expire_due(at=at)
        if not written:
            return total
        total += written


def _locked(source: Source) -> QuerySet[Entitlement]:
    return _in_order(Entitlement.objects.filter(source_type=source.type, source_id=source.id))


def _in_order(rows: QuerySet[Entitlement]) -> QuerySet[Entitlement]:
    return rows.order_by("user_id", "id").select_for_update()


def _shared_with(user_id: str, source: Source, version: PlanVersion) -> str | None:
    """Return the family that shares what is granted. Whoever makes or leaves one holds the same history."""
    history.hold(history.user(user_id))
    return sharing.family_of(user_id, source.type, source.id, version)


def terms_of(version: PlanVersion, subscription_id: str = "", family_id: str | None = None) -> Terms:
    """Return what each row of a grant of this version holds, by feature code."""
    return {
        included.feature_id: {
            "plan_id": version.plan_id,
            "version_id": version.pk,
            "subscription_id": subscription_id,
            "family_id": family_id,
            **{name: getattr(included, name) for name in COLUMNS},
            "period": included.period or "",
        }
        for included in plans.features_of(version)
    }


def _make_missing(user_id: str, source: Source, span: Span, terms: Terms, at: datetime) -> set[UUID]:
    """Insert what is not there yet, and return the ids that this call may have made.

    The insert comes before the lock: the unique constraint lets one of two workers through, and the other waits here,
    then finds the first one's rows. In order of feature, so that two workers cannot wait for each other.
    """
    if not connection.in_atomic_block:
        raise RuntimeError("entitlements must be granted inside the transaction of what pays for them")
    rows = [
        Entitlement(
            user_id=user_id,
            feature_id=feature,
            source_type=source.type,
            source_id=source.id,
            status=Status.ACTIVE,
            status_at=at,
            granted_at=at,
            starts_at=span.starts_at,
            ends_at=span.ends_at,
            grace_until=span.grace_until,
            **terms[feature],
        )
        for feature in sorted(terms)
    ]
    Entitlement.objects.bulk_create(rows, ignore_conflicts=True)
    return {row.id for row in rows}


def _keep_held(row: Entitlement, hold: str | None, *, at: datetime) -> None:
    """Suspend what began to run while its source is suspended: it must not slip through."""
    if hold is not None and row.status == Status.ACTIVE:
        change(row, at=at, status=Status.SUSPENDED, reason=hold)


def _renew(row: Entitlement, span: Span, terms: Mapping[str, Any], *, at: datetime, keep_suspended: bool) -> None:
    status = status_after(row, span.grace_until or span.ends_at, at=at, keep_suspended=keep_suspended)
    change(
        row,
        at=at,
        status=status,
        reason="" if status == Status.ACTIVE else row.reason,
        starts_at=start_after(row, span, at),
        ends_at=span.ends_at,
        grace_until=span.grace_until,
        **terms,
    )


def _cut(row: Entitlement, *, at: datetime, reason: str) -> None:
    if row.status in (Status.ACTIVE, Status.SUSPENDED):
        end = max(row.starts_at, min(at, row.ends_at or at))
        change(row, at=at, status=Status.CANCELED, reason=reason, ends_at=end, grace_until=None)


def _require_known(reason: str, *, but: str = "") -> None:
    known = [code for code in Reason.values if code not in (Reason.PLAN_CHANGED, but)]
    if reason not in known:
        raise UnknownReason(reason, known)
