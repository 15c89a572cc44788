from __future__ import annotations

from decimal import Decimal

from django.core.validators import RegexValidator, validate_slug
from django.db import models
from django.db.models import F, Q
from django.db.models.functions import Now

from events.ids import uuid7
from pricing.constraints import chargeable, in_range
from pricing.imported import ZoneImport as ZoneImport
from pricing.money import Money

THE_CURRENCY = RegexValidator(r"^[a-z]{3}\Z", "Three lower-case letters such as usd.")


class Feature(models.Model):
    """What access is asked for."""

    class Kind(models.TextChoices):
        BOOLEAN = "boolean"
        STATIC = "static"
        METERED = "metered"

    class Merge(models.TextChoices):
        MAX = "max"
        MIN = "min"
        UNION = "union"
        NEWEST = "newest"

    code = models.CharField(primary_key=True, max_length=100, validators=[validate_slug])
    name = models.CharField(max_length=255)
    description = models.TextField(blank=True)
    kind = models.CharField(max_length=10, choices=Kind)
    unit = models.CharField(max_length=50, blank=True)
    merge = models.CharField(
        max_length=10, choices=Merge, default=Merge.MAX, help_text="How several values meet (static)."
    )
    consumable = models.BooleanField(
        default=True, help_text="Metered: used up and reset (calls), or only counted (seats)."
    )
    archived_at = models.DateTimeField(null=True, blank=True)
    created_at = models.DateTimeField(db_default=Now(), editable=False)
    updated_at = models.DateTimeField(db_default=Now(), editable=False)

    class Meta:
        constraints = (
            models.CheckConstraint(condition=Q(kind__in=["boolean", "static", "metered"]), name="feature_kind"),
            models.CheckConstraint(condition=Q(merge__in=["max", "min", "union", "newest"]), name="feature_merge"),
        )

    def __str__(self) -> str:
        return self.code


class Plan(models.Model):
    """What is sold. Its id is a slug that people write in checkouts; a change of it follows everywhere (PL-09)."""

    id = models.CharField(primary_key=True, max_length=100, validators=[validate_slug])
    name = models.CharField(max_length=255)
    description = models.TextField(blank=True)
    product_line = models.CharField(max_length=100, default="default", validators=[validate_slug])
    active = models.BooleanField(default=True)
    metadata = models.JSONField(default=dict, blank=True)
    created_at = models.DateTimeField(db_default=Now(), editable=False)
    updated_at = models.DateTimeField(db_default=Now(), editable=False)

    class Meta:
        constraints = (models.CheckConstraint(condition=Q(id__regex="^[-a-zA-Z0-9_]+$"), name="plan_id_is_a_slug"),)

    def __str__(self) -> str:
        return self.id

    @property
    def current(self) -> PlanVersion | None:
        """The newest published version; None before the first. Reads prefetched versions when there are any."""
        published = [version for version in self.versions.all() if version.published_at]
        return max(published, key=lambda version: version.number, default=None)


class PlanVersion(models.Model):
    """The terms of a plan. Once sold nothing of them changes, by a trigger: a new price is a new version."""

    class Cycle(models.TextChoices):
        MONTHLY = "monthly"
        YEARLY = "yearly"
        ONE_TIME = "one_time"

    id = models.UUIDField(primary_key=True, default=uuid7, editable=False)
    plan = models.ForeignKey(Plan, on_delete=models.PROTECT, related_name="versions")
    number = models.PositiveIntegerField()
    billing_cycle = models.CharField(max_length=10, choices=Cycle)
    amount_minor = models.BigIntegerField(help_text="The list price, zone A, in minor units.")
    currency = models.CharField(max_length=3, default="usd", validators=[THE_CURRENCY])
    max_users = models.PositiveIntegerField(null=True, blank=True, help_text="Seats of a family plan, owner included.")
    trial_days = models.PositiveIntegerField(default=0)
    floor_minor = models.BigIntegerField(null=True, blank=True, help_text="No country pays less, in minor units.")
    charm = models.BooleanField(default=False, help_text="Step zone prices down to such as 11.99.")
    published_at = models.DateTimeField(null=True, blank=True)
    sold_at = models.DateTimeField(null=True, blank=True, editable=False)
    created_at = models.DateTimeField(db_default=Now(), editable=False)

    class Meta:
        ordering = ("plan_id", "number")
        constraints = (
            models.UniqueConstraint(fields=["plan", "number"], name="one_plan_version_per_number"),
            models.CheckConstraint(condition=Q(number__gte=1), name="plan_version_number_from_1"),
            models.CheckConstraint(
                condition=Q(billing_cycle__in=["monthly", "yearly", "one_time"]), name="plan_version_billing_cycle"
            ),
            models.CheckConstraint(condition=Q(amount_minor__gte=0), name="plan_version_amount_not_negative"),
            models.CheckConstraint(
                condition=Q(floor_minor=None) | Q(floor_minor__gte=0, floor_minor__lte=F("amount_minor")),
                name="plan_version_floor_within_amount",
            ),
            models.CheckConstraint(condition=Q(max_users=None) | Q(max_users__gte=1), name="plan_version_max_users"),
            models.CheckConstraint(
                condition=Q(sold_at=None) | Q(published_at__isnull=False), name="plan_version_sold_when_published"
            ),
            chargeable("amount_minor", "plan_version_amount_chargeable"),
            chargeable("floor_minor", "plan_version_floor_chargeable"),
        )

    def __str__(self) -> str:
        return f"{self.plan_id} v{self.number}"

    @property
    def amount(self) -> Money:
        return Money(self.amount_minor, self.currency)

    @property
    def is_free(self) -> bool:
        return self.amount_minor == 0


class PlanFeature(models.Model):
    """A feature that a version includes. `limit` null is unlimited; 0 is entitled with nothing included."""

    class Period(models.TextChoices):
        DAY = "day"
        WEEK = "week"
        MONTH = "month"
        QUARTER = "quarter"
        YEAR = "year"
        NEVER = "never"

    id = models.UUIDField(primary_key=True, default=uuid7, editable=False)
    version = models.ForeignKey(PlanVersion, on_delete=models.CASCADE, related_name="features")
    feature = models.ForeignKey(Feature, on_delete=models.PROTECT, related_name="+")
    limit = models.BigIntegerField(null=True, blank=True)
    period = models.CharField(max_length=10, choices=Period, null=True, blank=True)  # noqa: DJ001 (no period: not metered)
    soft = models.BooleanField(default=False, help_text="Above the limit: allow and count, rather than refuse.")
    value = models.JSONField(null=True, blank=True, help_text="The value of a static feature.")

    class Meta:
        ordering = ("feature_id",)
        constraints = (
            models.UniqueConstraint(fields=["version", "feature"], name="one_inclusion_per_feature"),
            models.CheckConstraint(condition=Q(limit=None) | Q(limit__gte=0), name="plan_feature_limit_not_negative"),
            models.CheckConstraint(
                condition=Q(period=None) | Q(period__in=["day", "week", "month", "quarter", "year", "never"]),
                name="plan_feature_period",
            ),
        )

    def __str__(self) -> str:
        return f"{self.version_id} {self.feature_id}"


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


class Quote(models.Model):
    """A price worked out for one version and country, frozen with its reasons. A trigger refuses to change it."""

    id = models.UUIDField(primary_key=True, default=uuid7, editable=False)
    version = models.ForeignKey(PlanVersion, on_delete=models.PROTECT, related_name="quotes")
    country_code = models.CharField(max_length=2, blank=True, help_text="As asked; empty when nobody knew.")
    zone_code = models.CharField(max_length=1)
    multiplier = models.DecimalField(max_digits=5, decimal_places=2)
    base_minor = models.BigIntegerField(help_text="The list price, in the version's currency.")
    amount_minor = models.BigIntegerField()
    currency = models.CharField(max_length=3)
    reasons = models.JSONField(default=list)
    user_id = models.CharField(max_length=255, null=True, blank=True)  # noqa: DJ001 (nobody is not the user "")
    principal = models.CharField(max_length=300, blank=True, help_text="Who asked for it under the key.")
    idempotency_key = models.CharField(max_length=255, null=True, blank=True)  # noqa: DJ001 (absent is not empty)
    created_at = models.DateTimeField(editable=False)
    expires_at = models.DateTimeField()

    class Meta:
        constraints = (
            models.UniqueConstraint(fields=["principal", "idempotency_key"], name="one_quote_per_key"),
            models.CheckConstraint(condition=Q(amount_minor__gte=0), name="quote_amount_not_negative"),
            models.CheckConstraint(
                condition=Q(amount_minor__gt=0) | Q(base_minor=0), name="quote_is_free_only_for_a_free_plan"
            ),
            models.CheckConstraint(condition=Q(expires_at__gt=F("created_at")), name="quote_expires_after_it_is_made"),
            chargeable("amount_minor", "quote_amount_chargeable"),
        )
        indexes = (models.Index(fields=["expires_at"], name="quote_expiry"),)

    def __str__(self) -> str:
        return f"{self.version_id} in {self.country_code or '??'}: {self.amount}"

    @property
    def amount(self) -> Money:
        return Money(self.amount_minor, self.currency)
