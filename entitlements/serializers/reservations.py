from __future__ import annotations

from rest_framework import serializers

from config.api import fields
from config.api.masking import Masked, hidden_values
from config.api.strict import Strict
from entitlements.models import Reservation
from entitlements.reservations import LONGEST
from entitlements.serializers.usage import MOST_UNITS

LONGEST_SECONDS = int(LONGEST.total_seconds())


class ReservationSaid(Strict):
    """Units that will probably be used."""

    user_id = fields.Text(max_length=255)
    feature_code = fields.Text(max_length=100)
    units = fields.Integer(min_value=1, max_value=MOST_UNITS, default=1)
    expires_in = fields.Integer(
        min_value=1,
        max_value=LONGEST_SECONDS,
        default=900,
        help_text="Seconds until what is held comes back by itself.",
    )
    metadata = fields.Metadata(required=False)


class CommitSaid(Strict):
    units = fields.Integer(
        min_value=1,
        max_value=MOST_UNITS,
        required=False,
        help_text="What was used: all that is held when left out, more only if it fits.",
    )


class ReservationSerializer(Masked, serializers.ModelSerializer[Reservation]):
    masked = {"metadata": hidden_values}
    feature_code = serializers.CharField(source="feature_id")
    status = serializers.ChoiceField(choices=Reservation.Status.choices)

    class Meta:
        model = Reservation
        fields = (
            "id",
            "user_id",
            "feature_code",
            "units",
            "overage",
            "committed",
            "status",
            "status_at",
            "created_at",
            "expires_at",
            "metadata",
        )
