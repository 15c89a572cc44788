"""How much one member of staff may give back of a payment, alone."""

from __future__ import annotations

from django.conf import settings

from pricing.money import Money


def of(currency: str) -> Money:
    """Return the cap on all that was given back of one payment. A currency without one has a cap of 0."""
    return Money(settings.REFUND_CAPS.get(currency, 0), currency)
