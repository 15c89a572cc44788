"""What Stripe tells us: verify, store, answer. An event means "look again"; its content is not believed."""

from __future__ import annotations

import json
from collections.abc import Iterable
from datetime import datetime, timedelta
from typing import Any

import structlog
from django.db import IntegrityError, transaction
from django.db.models import Min, Q

from billing import gateway
from billing.errors import BadEvent
from billing.models import WebhookEvent
from billing.times import moment
from config.api.parsing import UNSTORABLE
from vault import faults, stops

log = structlog.get_logger("farebox.webhooks")
Status = WebhookEvent.Status

# Event type (by its beginning) -> the field of its object that names what is looked at again.
LOOKS_AT = {
    "checkout.session.": "id",
    "payment_intent.": "id",
    "customer.subscription.": "id",
    # What is to come has no invoice yet.
    "invoice.upcoming": "parent.subscription_details.subscription",
    "invoice.": "id",
    "charge.refunded": "payment_intent",
    "charge.refund.updated": "payment_intent",
    "refund.": "payment_intent",
    # Each by its whole name: `customer.source.` and the like are about other objects.
    "customer.created": "id",
    "customer.updated": "id",
    "customer.deleted": "id",
    "payment_method.": "id",
    "setup_intent.succeeded": "payment_method",
    "charge.dispute.": "payment_intent",
}
KNOWN_IDS = ("cs_", "pi_", "sub_", "in_", "cus_", "pm_")
# The bell gets the first chance; then the sweeper comes.
BELL_TIME = timedelta(seconds=1)
# Twelve tries over three days, like Stripe's own.
WAITS = [
    timedelta(seconds=s) for s in (5, 30, 120, 600, 1800, 3600, 3 * 3600, 6 * 3600, 12 * 3600, 24 * 3600, 24 * 3600)
]


def receive(body: bytes, signature: str, *, at: datetime) -> WebhookEvent | None:
    """Store a verified event, and return it; None when it was stored before.

    Raises BadSignature and BadEvent, and stores nothing then. One INSERT; may be repeated and race.
    """
    gateway.verify(body, signature)
    event = _parsed(body, at=at)
    try:
        with stops.around("commit.billing.webhooks.receive"), transaction.atomic():
            event.save(force_insert=True)
    except IntegrityError:
        return None
    return event


def looks_at(type: str, stripe_object: dict[str, Any]) -> str:
    """Return the Stripe id that an event of this type makes us look at, empty for nothing."""
    for beginning, field in LOOKS_AT.items():
        if type.startswith(beginning):
            named: Any = stripe_object
            for step in field.split("."):
                named = named.get(step) if isinstance(named, dict) else None
            return named if isinstance(named, str) and named.startswith(KNOWN_IDS) else ""
    return ""


def waiting(stripe_id: str, *, at: datetime) -> list[int]:
    """Return the events that wait for a look at this object, oldest first."""
    due = Q(status=Status.RECEIVED) | Q(status=Status.RETRY, due_at__lte=at)
    return list(WebhookEvent.objects.filter(due, looks_at=stripe_id).order_by("pk").values_list("pk", flat=True))


def due(*, at: datetime, limit: int = 100) -> list[str]:
    """Return the objects to look at whose bell was lost or whose time has come again, the longest waiting first."""
    rows = WebhookEvent.objects.filter(status__in=WebhookEvent.WAITING, due_at__lte=at)
    oldest = rows.values("looks_at").annotate(oldest=Min("due_at")).order_by("oldest")
    return list(oldest.values_list("looks_at", flat=True)[:limit])


def finish(events: Iterable[int], status: str, *, at: datetime) -> None:
    """Mark events as served by one look."""
    WebhookEvent.objects.filter(pk__in=list(events), status__in=WebhookEvent.WAITING).update(
        status=status, status_at=at, last_error=""
    )


def put_off(events: Iterable[int], reason: Exception, *, at: datetime) -> None:
    """Try events again later, at growing intervals; after the twelfth try they are dead, for staff to replay."""
    for event in WebhookEvent.objects.filter(pk__in=list(events)):
        event.attempts += 1
        event.last_error = faults.named(reason)
        dead = event.attempts > len(WAITS)
        event.due_at = at if dead else at + WAITS[event.attempts - 1]
        event.save(update_fields=["attempts", "last_error", "due_at"])
        event.move_to(Status.DEAD if dead else Status.RETRY, at=at)
        if dead:
            log.error("webhook dead", stripe_id=event.stripe_id, type=event.type)


def _parsed(body: bytes, *, at: datetime) -> WebhookEvent:
    try:
        event = json.loads(body)
        stripe_object = event["data"]["object"]
        if not isinstance(stripe_object, dict):
            raise TypeError("not an object")
        found = looks_at(event["type"], stripe_object)
        if found:
            _text(found)
        return WebhookEvent(
            stripe_id=_text(event["id"]),
            type=_text(event["type"], 100),
            looks_at=found,
            livemode=bool(event["livemode"]),
            body=_text(body.decode(), 1_000_000),
            happened_at=moment(event["created"]),
            status=Status.RECEIVED if found else Status.IGNORED,
            status_at=at,
            due_at=at + BELL_TIME,
        )
    except (ValueError, KeyError, TypeError, AttributeError, OverflowError, RecursionError) as reason:
        raise BadEvent from reason


def _text(value: Any, most: int = 255) -> str:
    if not isinstance(value, str) or not 0 < len(value) <= most or UNSTORABLE.search(value):
        raise ValueError("not a text")
    return value
