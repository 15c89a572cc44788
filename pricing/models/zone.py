from __future__ import annotations

from decimal import Decimal

from django.core.validators import RegexValidator
from django.db import models
from django.db.models import Q
from django.db.models.functions import Now

from events.ids import uuid7
from pricing.constraints import THE_CURRENCY, chargeable, in_range
from pricing.models.plan import Plan
from pricing.money import Money


class Zone(models.Model):
    """A band of purchasing power and its multiplier (PZ-02 .. PZ-05)."""

    class Code(models.TextChoices):
        A = "A"
        B = "B"
        C = "C"
        D = "D"

    code = models.CharField(primary_key=True, max_length=1, choices=Code)
    name = models.CharField(max_length=50)
    multiplier = models.DecimalField(max_digits=5, decimal_places=2)
    world_bank_classification = models.CharField(max_length=100, blank=True)
    gni_per_capita_threshold = models.CharField(max_length=50, blank=True)
    created_at = models.DateTimeField(db_default=Now(), editable=False)
    updated_at = models.DateTimeField(db_default=Now(), editable=False)

    class Meta:
        ordering = ("code",)
        constraints = (
            models.CheckConstraint(condition=Q(code__in=["A", "B", "C", "D"]), name="zone_code"),
            in_range("multiplier", "zone_multiplier"),
        )

    def __str__(self) -> str:
        return f"{self.code} {self.name}"


class Country(models.Model):
    """Where a country stands. The zone is the owner's policy; the World Bank's class is data beside it (ruling 31)."""

    id = models.UUIDField(primary_key=True, default=uuid7, editable=False)
    iso_code = models.CharField(max_length=2, unique=True, validators=[RegexValidator(r"^[A-Z]{2}\Z", "Such as IN.")])
    name = models.CharField(max_length=255)
    zone = models.ForeignKey(Zone, on_delete=models.PROTECT, related_name="countries")
    multiplier = models.DecimalField(
        max_digits=5, decimal_places=2, null=True, blank=True, help_text="Its own, instead of the zone's."
    )
    world_bank_classification = models.CharField(max_length=100, blank=True)
    dataset = models.CharField(max_length=100, blank=True, help_text="Where the class comes from: World Bank FY2026.")
    reason = models.TextField(blank=True, help_text="Why the zone is not the one of its class.")
    created_at = models.DateTimeField(db_default=Now(), editable=False)
    updated_at = models.DateTimeField(db_default=Now(), editable=False)

    class Meta:
        ordering = ("iso_code",)
        verbose_name_plural = "countries"
        constraints = (
            models.CheckConstraint(condition=Q(iso_code__regex="^[A-Z]{2}$"), name="country_iso_code"),
            in_range("multiplier", "country_multiplier"),
        )

    def __str__(self) -> str:
        return f"{self.iso_code} {self.name}"

    @property
    def effective_multiplier(self) -> Decimal:
        """Its own multiplier, or its zone's."""
        return self.zone.multiplier if self.multiplier is None else self.multiplier


class PriceOverride(models.Model):
    """A price that staff set for a plan in one country or zone. It beats every multiplier."""

    id = models.UUIDField(primary_key=True, default=uuid7, editable=False)
    plan = models.ForeignKey(Plan, on_delete=models.CASCADE, related_name="overrides")
    country = models.ForeignKey(Country, on_delete=models.PROTECT, null=True, blank=True, related_name="overrides")
    zone = models.ForeignKey(Zone, on_delete=models.PROTECT, null=True, blank=True, related_name="overrides")
    currency = models.CharField(max_length=3, validators=[THE_CURRENCY])
    amount_minor = models.BigIntegerField()
    reason = models.TextField()
    created_at = models.DateTimeField(db_default=Now(), editable=False)
    updated_at = models.DateTimeField(db_default=Now(), editable=False)

    class Meta:
        constraints = (
            models.UniqueConstraint(fields=["plan", "country"], name="one_override_per_plan_and_country"),
            models.UniqueConstraint(fields=["plan", "zone"], name="one_override_per_plan_and_zone"),
            models.CheckConstraint(
                condition=Q(country=None, zone__isnull=False) | Q(country__isnull=False, zone=None),
                name="override_of_a_country_or_a_zone",
            ),
            models.CheckConstraint(condition=Q(amount_minor__gt=0), name="override_is_never_free"),
            chargeable("amount_minor", "override_amount_chargeable"),
        )

    def __str__(self) -> str:
        return f"{self.plan_id} in {self.country_id or self.zone_id}: {self.amount}"

    @property
    def amount(self) -> Money:
        return Money(self.amount_minor, self.currency)
