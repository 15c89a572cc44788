"""A user of the product, and what he does."""

from __future__ import annotations

from datetime import datetime
from typing import Any

from billing import opening
from billing.idempotency import Asking
from billing.models import Checkout, Customer, Payment, Subscription
from billing.orders import Order
from entitlements import access
from entitlements.decisions import Decision
from entitlements.models import Entitlement
from events import clock
from events.models import Event
from tests.stripe_side import GOOD_CARD, StripeSide


class Buyer:
    def __init__(self, stripe: StripeSide, user_id: str):
        self.stripe, self.user_id = stripe, user_id
        # A card that he has typed and nobody has attached yet.
        self.card = ""

    def order(self, plan_id: str = "premium-plan", country: str = "IN", key: str | None = None) -> Checkout:
        """Open a checkout."""
        order = Order(plan_id, country, "http://localhost:3000/done", "http://localhost:3000/back")
        asking = Asking.of(f"user:{self.user_id}", key, {"plan_id": plan_id, "country": country})
        return opening.open(self.user_id, order, asking=asking)[0]

    def buy(self, plan_id: str = "premium-plan", country: str = "IN", card: str = GOOD_CARD) -> Checkout:
        """Open a checkout, pay, and let the events arrive."""
        checkout = self.order(plan_id, country)
        self.stripe.pay(str(checkout.stripe_id), card)
        self.stripe.deliver()
        return Checkout.objects.get(pk=checkout.pk)

    def subscribe(self, plan_id: str = "pro-monthly", country: str = "IN") -> Subscription:
        """Buy a plan that renews."""
        return Subscription.objects.get(checkout=self.buy(plan_id, country))

    def may(self, feature: str = "export", *, at: datetime | None = None) -> Decision:
        """Ask whether he may use a feature."""
        return access.check(self.user_id, feature, at=at or clock.now())

    @property
    def customer(self) -> Customer:
        return Customer.objects.get(user_id=self.user_id)

    @property
    def payment(self) -> Payment:
        return Payment.objects.get(customer__user_id=self.user_id)

    def history(self, *kinds: str) -> list[str]:
        """Return the types of what happened to him, in order; only of some kinds of object when named."""
        rows = Event.objects.filter(subject=f"user:{self.user_id}").order_by("sequence")
        return [row.type for row in rows if not kinds or row.object.split(":")[0] in kinds]

    def facts(self) -> dict[str, Any]:
        """Count what one purchase must make once."""
        return {
            "payments": Payment.objects.filter(customer__user_id=self.user_id).count(),
            "grants": Entitlement.objects.filter(user_id=self.user_id).values("source_id").distinct().count(),
            "history": self.history(),
        }
