from __future__ import annotations

from typing import ClassVar

from django.db import models
from django.db.models import Q
from django.db.models.functions import Now

from events.ids import uuid7
from events.moves import Moving, Table


class ZoneCheck(Moving):
    """Whether the card that paid a quote comes from where the quote's country said. One for each purchase.

    `proposed`: the buyer is asked for the price of his card's country, from the next period on. `refusing`: the money
    is on its way back by the policy.
    """

    class Status(models.TextChoices):
        FLAGGED = "flagged"
        ACCEPTED = "accepted"
        REFUSED = "refused"
        REFUSING = "refusing"
        PROPOSED = "proposed"
        CONSENTED = "consented"
        DECLINED = "declined"
        LAPSED = "lapsed"

    NEXT: ClassVar[Table] = {
        Status.FLAGGED: {Status.ACCEPTED, Status.REFUSED, Status.REFUSING, Status.PROPOSED},
        Status.REFUSING: {Status.REFUSED, Status.FLAGGED},
        Status.PROPOSED: {Status.CONSENTED, Status.DECLINED, Status.LAPSED, Status.ACCEPTED, Status.REFUSED},
        Status.ACCEPTED: set(),
        Status.REFUSED: set(),
        Status.CONSENTED: set(),
        Status.DECLINED: set(),
        Status.LAPSED: set(),
    }

    id = models.UUIDField(primary_key=True, default=uuid7, editable=False)
    quote = models.ForeignKey("pricing.Quote", on_delete=models.PROTECT, related_name="+")
    payment = models.ForeignKey("billing.Payment", on_delete=models.PROTECT, related_name="zone_checks")
    card_country = models.CharField(max_length=2, blank=True)
    card_zone = models.CharField(max_length=1, blank=True)
    card_minor = models.BigIntegerField(null=True, blank=True, help_text="What the plan costs where the card is from.")
    card_currency = models.CharField(max_length=3, blank=True)
    ground = models.CharField(max_length=32, help_text="The row of the table that decided.")
    subscription = models.ForeignKey(
        "billing.Subscription", on_delete=models.PROTECT, null=True, blank=True, related_name="zone_checks"
    )
    proposed = models.ForeignKey("pricing.Quote", on_delete=models.PROTECT, null=True, blank=True, related_name="+")
    answer_until = models.DateTimeField(null=True, blank=True)
    change = models.ForeignKey(
        "billing.SubscriptionChange", on_delete=models.PROTECT, null=True, blank=True, related_name="+"
    )
    to_cancel = models.BooleanField(default=False, help_text="Without consent it ends with its period: not asked yet.")
    decided_by = models.CharField(max_length=300)
    created_at = models.DateTimeField(db_default=Now())

    class Meta:
        constraints = (
            models.UniqueConstraint(fields=["quote", "payment"], name="one_zone_check_a_payment"),
            models.CheckConstraint(
                condition=Q(card_minor=None) | Q(card_minor__gte=0), name="zone_check_amount_not_negative"
            ),
        )
        indexes = (models.Index(fields=["status"], name="zone_check_flagged", condition=Q(status="flagged")),)

    def __str__(self) -> str:
        return f"{self.card_country or 'no country'}: {self.status}"
