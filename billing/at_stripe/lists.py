"""What Stripe's account holds, listed. Reads only."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass
from datetime import datetime
from typing import Any

from billing import gateway

Object = dict[str, Any]


@dataclass(frozen=True, slots=True)
class Window:
    """`[since, until)` of the time when a row or object was made; without an end all since."""

    since: datetime
    until: datetime | None = None


def made(kind: str, window: Window) -> Iterator[Object]:
    """List what was made in a window, newest first.

    `payment_intents`, `subscriptions`, `refunds`, `checkouts`, `invoices`, `disputes`.
    """
    v1 = gateway.client().v1
    lists: dict[str, tuple[str, Any]] = {
        "payment_intents": ("pi_", v1.payment_intents),
        "subscriptions": ("sub_", v1.subscriptions),
        "refunds": ("re_", v1.refunds),
        "checkouts": ("cs_", v1.checkout.sessions),
        "invoices": ("in_", v1.invoices),
        "disputes": ("du_", v1.disputes),
    }
    created = {"gte": int(window.since.timestamp())}
    if window.until:
        created["lt"] = int(window.until.timestamp())
    asked: Object = {"created": created}
    if kind == "subscriptions":
        asked["status"] = "all"
    prefix, listed = lists[kind]
    return gateway.pages(prefix, lambda page: listed.list(asked | page))


def customers() -> Iterator[Object]:
    """List all customers of the account."""
    return gateway.pages("cus_", lambda page: gateway.client().v1.customers.list(page))


def running() -> Iterator[Object]:
    """List all subscriptions that have not ended."""
    return gateway.pages("sub_", lambda page: gateway.client().v1.subscriptions.list(page))


def price(stripe_id: str) -> Object:
    """Return a price with its product."""
    asked: Any = {"expand": ["product"]}
    return gateway.ask(lambda: gateway.client().v1.prices.retrieve(stripe_id, asked))
