from __future__ import annotations

from django.db import models
from django.db.models import F, Q

from events.asking import Keyed
from events.ids import uuid7
from pricing.models import Feature


class Override(Keyed):
    """What staff say of one feature of one user, beside every grant: allow, deny, or another value or limit.

    It is a fact: nothing of it changes but that it is removed. It counts over `[starts_at, ends_at)` until then.
    """

    class Effect(models.TextChoices):
        ALLOW = "allow"
        DENY = "deny"
        VALUE = "value"

    class Operation(models.TextChoices):
        SET = "set"
        ADD = "add"
        MAX = "max"

    id = models.UUIDField(primary_key=True, default=uuid7, editable=False)
    user_id = models.CharField(max_length=255)
    feature = models.ForeignKey(Feature, on_delete=models.PROTECT, related_name="+", db_column="feature_code")
    effect = models.CharField(max_length=10, choices=Effect)
    value = models.JSONField(null=True, blank=True, help_text="Of a static feature.")
    limit = models.BigIntegerField(null=True, blank=True, help_text="Of a metered feature; null is unlimited.")
    operation = models.CharField(
        max_length=10, choices=Operation, default=Operation.SET, help_text="How the limit meets that of the grants."
    )
    reason = models.TextField()
    ticket = models.CharField(max_length=255, blank=True)
    actor = models.CharField(max_length=300)
    starts_at = models.DateTimeField()
    ends_at = models.DateTimeField(null=True, blank=True)
    created_at = models.DateTimeField()
    removed_at = models.DateTimeField(null=True, blank=True)

    class Meta:
        constraints = (
            models.UniqueConstraint(fields=["principal", "idempotency_key"], name="one_override_per_key"),
            models.CheckConstraint(condition=Q(effect__in=["allow", "deny", "value"]), name="override_effect"),
            models.CheckConstraint(condition=Q(operation__in=["set", "add", "max"]), name="override_operation"),
            models.CheckConstraint(
                condition=Q(ends_at=None) | Q(ends_at__gt=F("starts_at")), name="override_ends_after_start"
            ),
            models.CheckConstraint(condition=Q(limit=None) | Q(limit__gte=0), name="override_limit_not_negative"),
            models.CheckConstraint(condition=~Q(reason="") & ~Q(user_id=""), name="override_has_reason_and_user"),
        )
        indexes = (models.Index(fields=["user_id", "feature"], name="override_check"),)

    def __str__(self) -> str:
        return f"{self.effect} {self.feature_id} for {self.user_id}"
