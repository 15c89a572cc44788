from __future__ import annotations

from rest_framework import serializers

from config.api import fields
from config.api.masking import Masked, told_without_names
from config.api.strict import Strict
from events.models import Event

# A name without its kind would find nothing, and look like a user without a history.
NAMED = r"^[a-z_-]+:[\s\S]+\Z"


class EventSerializer(Masked, serializers.ModelSerializer[Event]):
    masked = {"object": told_without_names, "data": told_without_names}

    class Meta:
        model = Event
        fields = (
            "id",
            "type",
            "subject",
            "sequence",
            "object",
            "actor",
            "request_id",
            "data",
            "at",
            "created_at",
        )


class EventQuery(Strict):
    """What the list of history takes beside a page's position."""

    subject = fields.Pattern(NAMED, like="user:42", required=False, max_length=300, help_text="Such as user:42.")
    object = fields.Pattern(
        NAMED, like="payment:<id>", required=False, max_length=300, help_text="Such as payment:<id>."
    )
    type = fields.Text(required=False, max_length=100, help_text="Such as payment.completed.")
