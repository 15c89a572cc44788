"""Rules on amounts and multipliers that the database holds."""

from __future__ import annotations

from decimal import Decimal

from django.core.validators import RegexValidator
from django.db import models
from django.db.models import F, Q

from pricing.currencies import STEPS

MAX_MULTIPLIER = Decimal(2)
THE_CURRENCY = RegexValidator(r"^[a-z]{3}\Z", "Three lower-case letters such as usd.")


def chargeable(column: str, name: str) -> models.CheckConstraint:
    """Hold an amount to the digits that Stripe can charge (pricing.currencies)."""
    whole = Q()
    for step, codes in STEPS.items():
        whole &= ~Q(currency__in=codes) | Q(**{column: F(column) / step * step}) | Q(**{column: None})
    return models.CheckConstraint(condition=whole & Q(currency__regex="^[a-z]{3}$"), name=name)


def in_range(column: str, name: str) -> models.CheckConstraint:
    """Hold a multiplier above 0 and at most 2: 0 would give everything away (ruling 32)."""
    return models.CheckConstraint(
        condition=Q(**{column: None}) | Q(**{f"{column}__gt": 0, f"{column}__lte": MAX_MULTIPLIER}), name=name
    )
