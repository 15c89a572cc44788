"""What Stripe tells us: verify, store, answer. An event means "look again"; its content is not believed."""

from __future__ import annotations

import json
from collections.abc import Iterable
from dataclasses import dataclass
from datetime import datetime, timedelta
from functools import lru_cache
from operator import itemgetter
from typing import Any

import structlog
from django.db import connection
from django.db.models import Exists, OuterRef, Q, QuerySet

from billing import gateway
from billing.errors import BadEvent
from billing.models import Lease, WebhookEvent
from billing.times import moment
from config.api.parsing import UNSTORABLE
from vault import faults, sealing, stops
from vault.sealing import Place

log = structlog.get_logger("farebox.webhooks")
Status = WebhookEvent.Status

# Event type (by its beginning, the first that fits) -> the fields of its object of which one names what is looked at
# again: the first whose kind of object can be fetched. What is named nowhere, or cannot be fetched, is ignored.
LOOKS_AT: dict[str, tuple[str, ...]] = {
    "checkout.session.": ("id",),
    "payment_intent.": ("id",),
    # The card that it leaves behind.
    "setup_intent.": ("payment_method",),
    "payment_method.": ("id",),
    "customer.subscription.": ("id",),
    "customer.": ("id",),
    "subscription_schedule.": ("subscription",),
    # It has no id yet: it is a preview of what the subscription will be billed.
    "invoice.upcoming": ("parent.subscription_details.subscription",),
    "invoice.": ("id",),
    "invoice_payment.": ("invoice",),
    "invoiceitem.": ("invoice",),
    "charge.dispute.": ("id", "payment_intent"),
    "charge.": ("payment_intent",),
    "refund.": ("payment_intent",),
}
# The bell gets the first chance; then the sweeper comes.
BELL_TIME = timedelta(seconds=1)
# Twelve tries over three days, like Stripe's own.
WAITS = [
    timedelta(seconds=s) for s in (5, 30, 120, 600, 1800, 2 * 3600, 3 * 3600, 6 * 3600, 12 * 3600, 24 * 3600, 24 * 3600)
]
TABLE = WebhookEvent._meta.db_table
Row = tuple[str, str, str, str, str, str, str, str]


def _store(marks: Iterable[str]) -> str:
    # Every time is the database's, in the same statement: the answer to Stripe waits for one round trip, one commit.
    return """
        INSERT INTO {} (stripe_id, type, looks_at, livemode, body, happened_at, status, filled,
                        attempts, last_error, received_at, status_at, due_at)
        SELECT told.*, 0, '', moment, moment, moment + interval '{} seconds'
        FROM unnest({}::text[], {}::text[], {}::text[], {}::boolean[], {}::text[], {}::timestamptz[], {}::text[],
                    {}::boolean[]) AS told
        CROSS JOIN clock_timestamp() AS moment
        ON CONFLICT (stripe_id) DO NOTHING
        RETURNING stripe_id
    """.format(TABLE, BELL_TIME.total_seconds(), *marks)  # noqa: S608 (names are ours)


# The columns of one row or of many, each column as one text: a statement is made once, and reads eight of them.
STORE = _store(["%s"] * 8)
PREPARED = _store(f"${number}" for number in range(1, 9))


@dataclass(frozen=True, slots=True)
class News:
    """What an event's body says of itself."""

    stripe_id: str
    type: str
    looks_at: str
    livemode: bool
    body: str
    happened_at: datetime


def receive(body: bytes, signature: str) -> News | None:
    """Store a verified event, and return it; None when it was stored before.

    Raises BadSignature and BadEvent, and stores nothing then. One INSERT; may be repeated and race.
    """
    news = verified(body, signature)
    return news if keep(news) else None


def verified(body: bytes, signature: str) -> News:
    """Read an event that Stripe has signed. Raises BadSignature and BadEvent."""
    gateway.verify(body, signature)
    return read(body)


def keep(news: News, *, filled: bool = False) -> bool:
    """Store an event, and say whether it is new. `filled`: it was found in Stripe's list, not delivered."""
    with stops.around("commit.billing.webhooks.keep"), connection.cursor() as cursor:
        cursor.execute(STORE, columns([row(news, filled=filled)]))
        return bool(cursor.rowcount)


def row(news: News, *, filled: bool = False) -> Row:
    """Return the row of an event, the body sealed."""
    status = Status.RECEIVED if news.looks_at else Status.IGNORED
    return (
        news.stripe_id,
        news.type,
        news.looks_at,
        "t" if news.livemode else "f",
        sealing.seal(news.body, Place(TABLE, "body", news.stripe_id)),
        news.happened_at.isoformat(),
        status.value,
        "t" if filled else "f",
    )


def columns(rows: Iterable[Row]) -> list[str]:
    """Return the parameters of STORE. In the order of their ids: two who store the same never wait for each other."""
    return [_array(column) for column in zip(*sorted(rows, key=itemgetter(0)), strict=True)]


def looks_at(type: str, stripe_object: dict[str, Any]) -> str:
    """Return the Stripe id that an event of this type makes us look at, empty for nothing."""
    for field in _fields(type):
        named = _at(field, stripe_object)
        if isinstance(named, str) and gateway.fetches(named):
            return named
    return ""


def waiting(*stripe_ids: str, at: datetime) -> list[int]:
    """Return the events, come by `at`, that wait for a look at these objects, oldest first."""
    return list(_waiting(stripe_ids, at).order_by("pk").values_list("pk", flat=True))


def awaited(stripe_ids: Iterable[str], *, at: datetime) -> list[str]:
    """Return those of the objects, in their order, for whose look an event waits that came by `at`."""
    asked = list(stripe_ids)
    wanted = set(_waiting(asked, at).values_list("looks_at", flat=True).distinct())
    return [one for one in asked if one in wanted]


def _waiting(stripe_ids: Iterable[str], at: datetime) -> QuerySet[WebhookEvent]:
    come = Q(status=Status.RECEIVED, received_at__lte=at) | Q(status=Status.RETRY, due_at__lte=at)
    return WebhookEvent.objects.filter(come, looks_at__in=stripe_ids, status__in=WebhookEvent.WAITING)


def due(*, at: datetime, limit: int = 100) -> list[str]:
    """Return the objects to look at whose bell was lost or whose time has come again, and nobody looks at.

    Of the events that wait longest: parents first, whose look serves their children's events too.
    """
    held = Lease.objects.filter(stripe_id=OuterRef("looks_at"), held_until__gt=at)
    rows = WebhookEvent.objects.filter(~Exists(held), status__in=WebhookEvent.WAITING, due_at__lte=at)
    oldest = dict.fromkeys(rows.order_by("due_at").values_list("looks_at", flat=True)[: limit * 20])
    return sorted(oldest, key=gateway.rank)[:limit]


def finish(stripe_ids: Iterable[str], status: str, *, at: datetime) -> None:
    """Mark the events, come by `at`, that waited for a look at these objects as served by one look."""
    _waiting(stripe_ids, at).update(status=status, status_at=at, last_error="")


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


def empty_bodies(*, before: datetime, batch: int = 1000) -> int:
    """Empty the bodies of events finished before then, in small transactions, and return how many. The rows stay."""
    finished = WebhookEvent.objects.filter(status__in=[Status.PROCESSED, Status.IGNORED], status_at__lt=before)
    emptied = 0
    while ids := list(finished.exclude(body="").order_by("status_at").values_list("pk", flat=True)[:batch]):
        emptied += WebhookEvent.objects.filter(pk__in=ids).update(body="")
    return emptied


def read(body: bytes) -> News:
    """Read an event's body. Raises BadEvent."""
    try:
        event = json.loads(body)
        stripe_object = event["data"]["object"]
        if not isinstance(stripe_object, dict):
            raise TypeError("not an object")
        type = _text(event["type"], 100)
        found = looks_at(type, stripe_object)
        return News(
            stripe_id=_text(event["id"]),
            type=type,
            looks_at=_text(found) if found else "",
            livemode=bool(event["livemode"]),
            body=_body(body),
            happened_at=moment(event["created"]),
        )
    except (ValueError, KeyError, TypeError, AttributeError, OverflowError, RecursionError) as reason:
        raise BadEvent from reason


def _body(body: bytes) -> str:
    # Bytes that are UTF-8 hold no lone surrogate.
    if len(text := body.decode()) > 1_000_000 or "\x00" in text:
        raise ValueError("not a text")
    return text


def _array(texts: Iterable[str]) -> str:
    """Write Postgres' text of an array, https://www.postgresql.org/docs/current/arrays.html#ARRAYS-IO."""
    inner = "\x00".join(texts).replace("\\", "\\\\").replace('"', '\\"').replace("\x00", '","')
    return f'{{"{inner}"}}'


@lru_cache(maxsize=512)
def _fields(type: str) -> tuple[str, ...]:
    return next((fields for beginning, fields in LOOKS_AT.items() if type.startswith(beginning)), ())


def _at(path: str, found: Any) -> Any:
    for name in path.split("."):
        found = found.get(name) if isinstance(found, dict) else None
    return gateway.id_of(found)


def _text(value: Any, most: int = 255) -> str:
    if not isinstance(value, str) or not 0 < len(value) <= most or UNSTORABLE.search(value):
        raise ValueError("not a text")
    return value
