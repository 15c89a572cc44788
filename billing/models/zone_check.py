from __future__ import annotations

from typing import ClassVar

from django.db import models
from django.db.models import Q
from django.db.models.functions import Now

from events.ids import uuid7
from events.moves import Moving, Table


class ZoneCheck(Moving):
    """Whether the card that paid a quote comes from where the quote's country said. One for each quote."""

    class Status(models.TextChoices):
        FLAGGED = "flagged"
        ACCEPTED = "accepted"
        REFUSED = "refused"

    NEXT: ClassVar[Table] = {
        Status.FLAGGED: {Status.ACCEPTED, Status.REFUSED},
        Status.ACCEPTED: set(),
        Status.REFUSED: set(),
    }

    id = models.UUIDField(primary_key=True, default=uuid7, editable=False)
    quote = models.OneToOneField("pricing.Quote", on_delete=models.PROTECT, related_name="+")
    payment = models.ForeignKey("billing.Payment", on_delete=models.PROTECT, related_name="zone_checks")
    card_country = models.CharField(max_length=2, blank=True)
    card_zone = models.CharField(max_length=1, blank=True)
    card_minor = models.BigIntegerField(null=True, blank=True, help_text="What the plan costs where the card is from.")
    card_currency = models.CharField(max_length=3, blank=True)
    ground = models.CharField(max_length=32, help_text="The row of the table that decided.")
    decided_by = models.CharField(max_length=300)
    created_at = models.DateTimeField(db_default=Now())

    class Meta:
        constraints = (
            models.CheckConstraint(
                condition=Q(card_minor=None) | Q(card_minor__gte=0), name="zone_check_amount_not_negative"
            ),
        )
        indexes = (models.Index(fields=["status"], name="zone_check_flagged", condition=Q(status="flagged")),)

    def __str__(self) -> str:
        return f"{self.card_country or 'no country'}: {self.status}"
