"""What Stripe told and nobody here heard: read in its own list of events, and stored as if it had been delivered."""

from __future__ import annotations

import json
from collections.abc import Iterator
from datetime import datetime, timedelta
from typing import Any

import structlog
from django.db.models import Min

from billing import gateway, leases, webhooks
from billing.errors import BadEvent, BillingError
from billing.models import Reading, WebhookEvent
from billing.times import moment
from events import clock
from vault import faults

log = structlog.get_logger("farebox.gaps")
# Events appear in the list a little after the time they carry, and clocks differ.
OVERLAP = timedelta(minutes=10)
# https://docs.stripe.com/api/events: "access to events for the last 30 days".
KEPT_AT_STRIPE = timedelta(days=30)
BATCH = 100
NAME = "events"


def fill() -> int:
    """Store every event of Stripe's list that is missing, and return how many were.

    The mark of how far was read moves only when all is stored, so a fill that dies half way skips nothing. Returns 0
    while another one is under way. Raises StripeUnknown, StripeRefused. May be repeated.
    """
    held = leases.take(NAME)
    if held is None:
        return 0
    try:
        with leases.kept(held, at_most=KEPT_AT_STRIPE.total_seconds()):
            return _fill(clock.now())
    finally:
        leases.release(held)


def try_fill() -> int:
    """Fill where a failure is no error of the caller's: the next one begins where this one did."""
    try:
        return fill()
    except BillingError as reason:
        log.warning("gaps not filled", reason=faults.named(reason))
    return 0


def _fill(at: datetime) -> int:
    since = _since(at)
    newest, filled = since, 0
    for batch in _batches(gateway.events(since=int(since.timestamp()))):
        newest = max(newest, moment(batch[0]["created"]))
        filled += _store_missing(batch)
    # Never into the future: a customer's test clock may run ahead of everybody else's.
    until = min(newest, at)
    Reading.objects.update_or_create(pk=1, defaults={"until": until, "read_at": clock.now()})
    if filled:
        log.warning("gap filled", count=filled)
    return filled


def _since(at: datetime) -> datetime:
    reading = Reading.objects.filter(pk=1).first()
    if reading is None:
        # Nobody has read before: from the first event that came. With none, nothing of the past is ours to look at.
        first = WebhookEvent.objects.aggregate(first=Min("happened_at"))["first"] or at
        return max(first - OVERLAP, at - KEPT_AT_STRIPE)
    if reading.until < at - KEPT_AT_STRIPE:
        log.error("gap older than the list: run reconcile_stripe", code="events_lost")
    return max(reading.until - OVERLAP, at - KEPT_AT_STRIPE)


def _batches(events: Iterator[Any]) -> Iterator[list[Any]]:
    batch: list[Any] = []
    for event in events:
        batch.append(event)
        if len(batch) == BATCH:
            yield batch
            batch = []
    if batch:
        yield batch


def _store_missing(batch: list[Any]) -> int:
    ids = [event["id"] for event in batch]
    known = set(WebhookEvent.objects.filter(stripe_id__in=ids).values_list("stripe_id", flat=True))
    return sum(_store(event) for event in batch if event["id"] not in known)


def _store(event: Any) -> bool:
    try:
        return webhooks.keep(webhooks.read(json.dumps(event).encode()), filled=True)
    except BadEvent:
        # As at the door: it is no event that we can keep, and it must not hold up the others.
        log.error("event not kept", stripe_id=str(event["id"]))
        return False
