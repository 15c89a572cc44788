from __future__ import annotations

from django.core.validators import MaxValueValidator, MinValueValidator
from django.db import models
from django.db.models import Q


def warnings_at() -> list[int]:
    """Return the shares of a limit, in percent, that are told when they are passed."""
    return [80, 100]


class Metering(models.Model):
    """How a metered feature counts, beside its limit and period: the terms that a plan and a grant share."""

    class Anchor(models.TextChoices):
        BILLING = "billing"
        CALENDAR = "calendar"

    anchor = models.CharField(
        max_length=10, choices=Anchor, default=Anchor.BILLING, help_text="Periods begin with the grant, or by calendar."
    )
    time_zone = models.CharField(max_length=64, default="UTC", help_text="Whose calendar, such as Europe/Berlin.")
    warn_at = models.JSONField(default=warnings_at, blank=True, help_text="Percent of the limit, such as [80, 100].")
    rollover_max = models.BigIntegerField(
        null=True, blank=True, validators=[MinValueValidator(0)], help_text="Of what was not used, so much moves on."
    )
    member_cap = models.BigIntegerField(
        null=True,
        blank=True,
        validators=[MinValueValidator(0)],
        help_text="What one member may use of a family's pool.",
    )
    priority = models.SmallIntegerField(
        default=0, validators=[MinValueValidator(-100), MaxValueValidator(100)], help_text="Lower is used up first."
    )

    class Meta:
        abstract = True


METERING = ("anchor", "time_zone", "warn_at", "rollover_max", "member_cap", "priority")


def sound_metering(prefix: str) -> tuple[models.CheckConstraint, ...]:
    """Hold the terms of a meter in the database."""
    return (
        models.CheckConstraint(condition=Q(anchor__in=["billing", "calendar"]), name=f"{prefix}_anchor"),
        models.CheckConstraint(condition=Q(rollover_max=None) | Q(rollover_max__gte=0), name=f"{prefix}_rollover_max"),
        models.CheckConstraint(condition=Q(member_cap=None) | Q(member_cap__gte=0), name=f"{prefix}_member_cap"),
    )
