"""Stripe answers a key for a day as it did first, an error too. Then only another key brings the work about."""

from __future__ import annotations

from collections.abc import Callable
from datetime import timedelta
from typing import Any

from django.db.models import F

from billing.errors import StripeUnknown
from billing.models import Checkout, Invoice, Payment, Refund, SubscriptionChange, SubscriptionOrder
from events import clock
from vault import stops

Object = dict[str, Any]
Row = Checkout | Invoice | Payment | Refund | SubscriptionChange | SubscriptionOrder
# Stripe forgets an idempotency key after 24 h: later a second POST would do the work a second time.
RESEND_FOR = timedelta(hours=23)
# What the first request did before it broke is in Stripe's lists by then.
SEEN_AFTER = timedelta(minutes=1)


def made(row: Row, ask: Callable[[], Object], find: Callable[[], Object | None]) -> Object:
    """Let Stripe make what a row of ours stands for: `ask` sends it under the key of the row's attempt.

    An error that Stripe has kept under that key says that its request is over. When `find`, which must ask what lags
    behind nothing, finds that it made nothing, the next attempt is sent, one in each call. Who calls holds the row
    (`idempotency.take`). Raises what `ask` raises. (https://docs.stripe.com/error-low-level#idempotency)
    """
    try:
        return ask()
    except StripeUnknown as reason:
        if not reason.kept or clock.now() - row.status_at < SEEN_AFTER:
            raise
    found = find()
    if found is not None:
        return found
    type(row)._default_manager.filter(pk=row.pk, attempt=row.attempt).update(attempt=F("attempt") + 1)
    stops.at("commit.billing.retries.made.after")
    row.refresh_from_db(fields=["attempt"])
    return ask()
