from __future__ import annotations

from collections.abc import Callable
from functools import cache
from typing import Any

from django.db.models import Model
from django.http import HttpRequest
from unfold.decorators import display

from config.office import ReadOnly
from pricing.money import Money

COLOURS = {
    "succeeded": "success",
    "active": "success",
    "paid": "success",
    "uncollectible": "danger",
    "complete": "success",
    "processed": "success",
    "failed": "danger",
    "dead": "danger",
    "past_due": "warning",
    "unpaid": "danger",
    "retry": "warning",
    "requires_action": "warning",
    "needs_response": "danger",
    "under_review": "warning",
    "won": "success",
    "lost": "danger",
    "flagged": "warning",
    "accepted": "success",
    "waiting": "warning",
}
# How a request is known again; nothing of it says what happened.
PLUMBING = ("idempotency_key", "request_hash", "busy_until", "attempt")


@cache
def money(field: str) -> Callable[[Any], Money | None]:
    """Make what shows a column of minor units as people write an amount."""

    def shown(row: Any) -> Money | None:
        minor = getattr(row, field)
        if minor is None:
            return None
        own = getattr(row, field.replace("_minor", "_currency"), "")
        return Money(minor, own or row.amount.currency)

    described: Callable[[Any], Money | None] = display(description=field.removesuffix("_minor").replace("_", " "))(
        shown
    )
    return described


class Moving(ReadOnly):
    @display(description="status", label=COLOURS, ordering="status")
    def state(self, row: Any) -> str:
        """Show the status in its colour, a refunded payment as refunded."""
        return str(getattr(row, "shown_status", row.status))

    def get_fields(self, request: HttpRequest, obj: Model | None = None) -> Any:
        """Show amounts with their currency, and leave out what only knows a request again."""
        names = [name for name in super().get_fields(request, obj) if name not in PLUMBING]
        return [money(name) if name.endswith("_minor") else name for name in names]


class OfPayment(Moving):
    """What hangs on a payment is shown with whose it is."""

    list_select_related: tuple[str, ...] = ("payment__customer",)

    @display(description="user", ordering="payment__customer__user_id")
    def user(self, row: Any) -> str:
        """Name who paid."""
        return str(row.payment.customer.user_id)
