"""Our books against Stripe's: state heals by looking again, money and what stays open wait for a person."""

from __future__ import annotations

import time
from collections.abc import Callable, Iterable, Iterator
from dataclasses import dataclass, field
from uuid import UUID

from billing import (
    comparisons,
    findings,
    invariants,
    leases,
    sync,
)
from billing.at_stripe import lists
from billing.at_stripe.lists import Window
from billing.comparisons import COMPARED, Difference
from billing.errors import AlreadyReconciling
from billing.models import Finding, Payment, Subscription
from entitlements.invariants import sources_in_force

Kind = Finding.Kind
LEASE = "reconciliation"
GRANTS = "grants"
KINDS = (*COMPARED, GRANTS)
# A lease outlives the slowest answer of Stripe; renewed this often it never runs out at work.
RENEWED_SECONDS = 5
# Nor between two objects, where a page waits for its turn at Stripe; no run takes longer.
LONGEST_SECONDS = 6 * 3600.0
MOST_GRANTS = 1000
Seen = Callable[[str], None]


@dataclass(slots=True)
class Report:
    """How many objects of each kind were compared, what differs, and what still does after a second look.

    Of grants it counts what gives access now: each is asked for its cause.
    """

    compared: dict[str, int] = field(default_factory=dict)
    differences: list[Difference] = field(default_factory=list)
    left: list[Difference] = field(default_factory=list)
    closed: int = 0


def compare(window: Window, *, kinds: Iterable[str] = KINDS, seen: Seen = lambda kind: None) -> Report:
    """Compare what was made in a window, there or here, and the cause of every grant in force. Writes nothing.

    `seen` hears the kind of each object that was compared. Raises StripeUnknown.
    """
    report = Report()
    for kind in kinds:
        report.compared[kind] = sources_in_force() if kind == GRANTS else 0
        for differences in _causes() if kind == GRANTS else _compared(kind, window):
            report.compared[kind] += kind != GRANTS
            report.differences.extend(differences)
            seen(kind)
    report.left = list(report.differences)
    return report


def run(window: Window, *, kinds: Iterable[str] = KINDS, seen: Seen = lambda kind: None) -> Report:
    """Compare, look again at what differs, and open a finding for what differs in the same way after it.

    Findings of these kinds that hold no more are closed. Raises AlreadyReconciling while another run is at work, and
    StripeUnknown. May be repeated.
    """
    held = leases.take(LEASE)
    if held is None:
        raise AlreadyReconciling
    renewed = time.monotonic()

    def seen_and_held(kind: str) -> None:
        nonlocal renewed
        seen(kind)
        if time.monotonic() - renewed > RENEWED_SECONDS:
            leases.renew(held)
            renewed = time.monotonic()

    try:
        with leases.kept(held, at_most=LONGEST_SECONDS):
            report = compare(window, kinds=kinds, seen=seen_and_held)
            report.left = []
            for difference in _lasting(report.differences, seen_and_held):
                report.left.append(difference)
                findings.open(difference.kind, difference.object, ours=difference.ours, theirs=difference.theirs)
            report.closed = _close(kinds, report.left)
            return report
    finally:
        leases.release(held)


def _compared(kind: str, window: Window) -> Iterator[list[Difference]]:
    """Go through what the window holds there, then through what our rows name and that list left out."""
    comparison, there = COMPARED[kind], set()
    for found in lists.made(kind, window):
        if comparison.is_ours(found):
            there.add(found["id"])
            yield list(comparison.differences(found))
    # Made earlier, or by a test clock, or not known there at all.
    for stripe_id in comparison.expected(window):
        if stripe_id not in there:
            yield comparisons.again(stripe_id)


def _causes() -> Iterator[list[Difference]]:
    for source in invariants.ACCESS_HAS_A_REASON.broken(limit=MOST_GRANTS):
        yield [Difference(Kind.GRANT_WITHOUT_CAUSE, f"grant:{source}", "active", "", look=_paid_by(source))]


def _causeless() -> set[str]:
    return {difference.object for some in _causes() for difference in some}


def _paid_by(source: str) -> str:
    kind, _, id = source.partition(":")
    try:
        row_id = UUID(id)
    except ValueError:
        return ""  # It names no row of ours: there is nothing to look at.
    model: type[Payment] | type[Subscription] = Subscription if kind == "subscription" else Payment
    return model.objects.filter(pk=row_id).values_list("stripe_id", flat=True).first() or ""


def _lasting(differences: list[Difference], seen: Seen) -> Iterator[Difference]:
    """Look again, once an object, and yield what is as it was. What nobody could look at waits for the next time."""
    looked = {look: not look or sync.try_look(look) for look in {one.look for one in differences}}
    causeless = _causeless() if any(_is_grant(difference) for difference in differences) else set()
    for difference in differences:
        seen("looked at again")
        if not looked[difference.look]:
            continue
        if _is_grant(difference):
            if difference.object in causeless:
                yield difference
        elif difference in comparisons.again(difference.stripe_id):
            yield difference


def _is_grant(difference: Difference) -> bool:
    return difference.kind == Kind.GRANT_WITHOUT_CAUSE


def _close(kinds: Iterable[str], left: list[Difference]) -> int:
    """Close the findings of ours whose difference is gone, whatever window they came from."""
    known = {(difference.kind, difference.object) for difference in left}
    prefixes = tuple(prefix for kind in kinds if kind in COMPARED for prefix in COMPARED[kind].prefixes)
    causeless = _causeless() if GRANTS in kinds else set()
    closed = 0
    for finding in Finding.objects.filter(closed_at=None).order_by("pk").iterator():
        if (finding.kind, finding.object) in known:
            continue
        if finding.object.startswith(prefixes):
            holds = finding.kind in {one.kind for one in comparisons.again(finding.object)}
        elif finding.kind == Kind.GRANT_WITHOUT_CAUSE and GRANTS in kinds:
            holds = finding.object in causeless
        else:
            continue
        closed += not holds and findings.close(finding)
    return closed
