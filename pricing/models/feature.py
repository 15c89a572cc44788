from __future__ import annotations

from django.core.validators import validate_slug
from django.db import models
from django.db.models import Q
from django.db.models.functions import Now


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

    class ValueType(models.TextChoices):
        NUMBER = "number"
        TEXT = "text"
        ENUM = "enum"
        LIST = "list"

    class FailPolicy(models.TextChoices):
        OPEN = "open"
        CLOSED = "closed"

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
    value_type = models.CharField(
        max_length=10, choices=ValueType, default=ValueType.TEXT, help_text="What a static value is."
    )
    choices = models.JSONField(default=list, blank=True, help_text="The values of an enum, the weakest first.")
    fail_policy = models.CharField(
        max_length=10, choices=FailPolicy, default=FailPolicy.CLOSED, help_text="What a client does without an answer."
    )
    archived_at = models.DateTimeField(null=True, blank=True)
    created_at = models.DateTimeField(db_default=Now(), editable=False)
    updated_at = models.DateTimeField(db_default=Now(), editable=False)

    class Meta:
        constraints = (
            models.CheckConstraint(condition=Q(kind__in=["boolean", "static", "metered"]), name="feature_kind"),
            models.CheckConstraint(condition=Q(merge__in=["max", "min", "union", "newest"]), name="feature_merge"),
            models.CheckConstraint(
                condition=Q(value_type__in=["number", "text", "enum", "list"]), name="feature_value_type"
            ),
            models.CheckConstraint(condition=Q(fail_policy__in=["open", "closed"]), name="feature_fail_policy"),
        )

    def __str__(self) -> str:
        return self.code
