"""What the tests of subscriptions start from: a price, a customer with a card, a test clock."""

from datetime import UTC, datetime
from typing import Any

from tests.sandbox.conftest import Sandbox

GOOD_CARD = "pm_card_visa"
# Attaches, and is refused when it is charged.
BAD_CARD = "pm_card_chargeCustomerFail"
DAY = 86400


def moment(text: str) -> int:
    """Read a day, or a day and a time, in UTC."""
    return int(datetime.fromisoformat(text).replace(tzinfo=UTC).timestamp())


def a_price(sandbox: Sandbox, amount: int = 1999, interval: str = "month", **more: Any) -> str:
    """Make a recurring price in USD, of a product of its own."""
    product = sandbox.client.v1.products.create({"name": more.pop("name", "Gold")})
    wanted: Any = {"product": product.id, "unit_amount": amount, "currency": "usd", "recurring": {"interval": interval}}
    return str(sandbox.client.v1.prices.create(wanted | more).id)


def a_clock(sandbox: Sandbox, at: str = "2026-01-31") -> str:
    """Make a test clock that stands at a day."""
    return str(sandbox.client.v1.test_helpers.test_clocks.create({"frozen_time": moment(at)}).id)


def a_customer(sandbox: Sandbox, *, card: str | None = GOOD_CARD, **more: Any) -> str:
    """Make a customer whose default payment method is a test card."""
    customer = str(sandbox.client.v1.customers.create({"email": "buyer@example.com", **more}).id)
    if card:
        give_card(sandbox, customer, card)
    return customer


def give_card(sandbox: Sandbox, customer: str, card: str) -> str:
    """Attach a test card and make it the customer's default."""
    method = str(sandbox.client.v1.payment_methods.attach(card, {"customer": customer}).id)
    settings: Any = {"default_payment_method": method}
    sandbox.client.v1.customers.update(customer, {"invoice_settings": settings})
    return method


def subscribed(sandbox: Sandbox, customer: str, price: str, **more: Any) -> Any:
    """Start a subscription to one price."""
    wanted: Any = {"customer": customer, "items": [{"price": price}], **more}
    return sandbox.client.v1.subscriptions.create(wanted)


def again(sandbox: Sandbox, subscription: Any, *expand: str) -> Any:
    """Look at a subscription again."""
    return sandbox.client.v1.subscriptions.retrieve(subscription.id, {"expand": list(expand)})


def to(sandbox: Sandbox, clock: str, at: str) -> None:
    """Move a test clock to a day."""
    sandbox.client.v1.test_helpers.test_clocks.advance(clock, {"frozen_time": moment(at)})


def period(subscription: Any) -> tuple[str, str]:
    """Give the period of a subscription's first item as two days."""
    item = subscription["items"].data[0]
    days = [datetime.fromtimestamp(at, UTC) for at in (item.current_period_start, item.current_period_end)]
    return days[0].strftime("%Y-%m-%d"), days[1].strftime("%Y-%m-%d")


def invoices_of(sandbox: Sandbox, subscription: Any) -> list[Any]:
    """Give the invoices of a subscription, newest first."""
    return list(sandbox.client.v1.invoices.list({"subscription": subscription.id, "limit": 100}).data)


def happened(sandbox: Sandbox, *starts: str) -> list[str]:
    """Give the types of the events that begin with one of these words, oldest first, by delivery."""
    return [type for type in sandbox.deliver() if type.startswith(starts)]
