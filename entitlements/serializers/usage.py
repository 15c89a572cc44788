from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Any

from rest_framework import serializers

from config.api import fields
from config.api.kept import Kept
from config.api.masking import Masked, hidden_values
from config.api.problems import field_errors
from config.api.strict import Strict
from entitlements import cloudevents
from entitlements.cloudevents import MOST_SOURCE
from entitlements.models import UsageCounter, UsageEvent
from entitlements.usage import Use
from entitlements.usage_batches import MOST, Outcome

LONGEST_USER_ID, LONGEST_FEATURE_CODE, LONGEST_OWN_ID = 255, 100, 255
LONGEST_EVENT_ID = 512
# A counter holds 9,000 times as many.
MOST_UNITS = 10**15
UNITS: dict[str, Any] = {"min_value": -MOST_UNITS, "max_value": MOST_UNITS}
PLAIN = {"user_id", "feature_code", "event_id", "units", "at"}
MOMENT = fields.Moment()


class UsageSaid(Strict):
    """One use. The same `event_id` is counted once."""

    user_id = fields.Text(max_length=LONGEST_USER_ID)
    feature_code = fields.Text(max_length=LONGEST_FEATURE_CODE)
    units = fields.Integer(
        **UNITS, default=1, help_text="Below 0 only to give back what is counted and not used up: seats."
    )
    event_id = fields.Text(
        max_length=LONGEST_OWN_ID, help_text="Your own name of this use; it belongs to your token's subject."
    )
    at = fields.Moment(required=False, help_text="When it was used; now when left out.")
    metadata = fields.Metadata(required=False)


class UsageBatchSaid(Strict):
    events = serializers.ListField(
        child=serializers.JSONField(),
        min_length=1,
        max_length=MOST,
        help_text="Each as POST /usage takes it. What is wrong in one is told among `errors`.",
    )


class CloudEventData(Strict):
    feature_code = fields.Text(max_length=100, required=False, help_text="The event's `type` when left out.")
    units = fields.Integer(**UNITS, default=1)
    metadata = fields.Metadata(required=False)


class CloudEventSaid(Kept):
    """A CloudEvent 1.0 in its structured form. `source` and `id` together name the use; other attributes are let be."""

    specversion = fields.Choice(choices=["1.0"])
    id = fields.Text(max_length=255)
    source = fields.Text(max_length=MOST_SOURCE)  # type: ignore[assignment]
    type = fields.Text(max_length=100)
    subject = fields.Text(max_length=255, help_text="The user's id.")
    time = fields.Moment(required=False)
    data = CloudEventData(required=False)  # type: ignore[assignment]

    def to_internal_value(self, data: Any) -> Any:
        """Refuse data that is not read: whoever sent it believes that it counts."""
        said = super().to_internal_value(data)
        if "data_base64" in data:
            raise serializers.ValidationError({"data_base64": ["Give JSON in `data`."]})
        # With a space in it two different pairs of source and id would be one name, and one of them not counted.
        if any(each.isspace() for each in said["source"]):
            raise serializers.ValidationError({"source": ["A URI reference has no spaces."]})
        return said


class UsageSerializer(Masked, serializers.ModelSerializer[UsageEvent]):
    """One row of what was used. It never changes; a correction is a row of its own."""

    masked = {"metadata": hidden_values}
    feature_code = serializers.CharField(source="feature_id")
    reservation_id = serializers.UUIDField(source="reservation", allow_null=True)
    corrects = serializers.UUIDField(allow_null=True, help_text="The use that this row corrects.")

    class Meta:
        model = UsageEvent
        fields = (
            "id",
            "event_id",
            "user_id",
            "feature_code",
            "units",
            "overage",
            "at",
            "recorded_at",
            "reservation_id",
            "corrects",
            "reason",
            "metadata",
        )


class UsageRecorded(serializers.Serializer[Any]):
    index = serializers.IntegerField(help_text="Its place in the batch, from 0.")
    id = serializers.UUIDField()
    replayed = serializers.BooleanField(help_text="It was recorded before, and is counted once.")


class UsageFault(serializers.Serializer[Any]):
    index = serializers.IntegerField()
    code = serializers.CharField(help_text="As POST /usage answers it.")
    detail = serializers.CharField()


class UsageBatchSerializer(serializers.Serializer[Any]):
    """What became of each: every index is in one of the two."""

    data = UsageRecorded(many=True)  # type: ignore[assignment]
    errors = UsageFault(many=True)  # type: ignore[assignment]


class UsageCounterSerializer(Kept, serializers.ModelSerializer[UsageCounter]):
    """What was used of one pool in one period `[period_start, period_end)`, by all who share it or by a member."""

    feature_code = serializers.CharField(source="feature_id")
    pool = serializers.UUIDField(
        allow_null=True, help_text="The grant that pays; null: what is only counted, and what overrides give."
    )

    class Meta:
        model = UsageCounter
        fields = ("feature_code", "pool", "member", "period_start", "period_end", "used", "reserved", "rolled")


class UsageTotal(serializers.Serializer[Any]):
    feature_code = serializers.CharField()
    units = serializers.IntegerField(help_text="Of this user, in the time asked for, corrections in it.")


class UsagePage(serializers.Serializer[Any]):
    """A page of uses, newest first; what they come to together; and the counters that the limits look at."""

    data = UsageSerializer(many=True)  # type: ignore[assignment]
    has_more = serializers.BooleanField()
    next_cursor = serializers.CharField(allow_null=True, help_text="Give it as starting_after.")
    total = serializers.IntegerField(required=False, help_text="Only where offset was given.")
    totals = UsageTotal(many=True)
    periods = UsageCounterSerializer(many=True)


class UsageQuery(Strict):
    """What was used in `[from, to)`."""

    feature_code = fields.Text(max_length=100, required=False)
    to = fields.Moment(required=False)

    def get_fields(self) -> dict[str, serializers.Field[Any, Any, Any, Any]]:
        """Name one as the caller does: Python keeps the word for itself."""
        return {**super().get_fields(), "from": fields.Moment(required=False)}


class CorrectionSaid(Strict):
    """Which use, by its `usage_id`, or by the `event_id` that its sender gave it."""

    usage_id = fields.Uuid(required=False, help_text="The id of the use, as it was answered.")
    event_id = fields.Text(
        max_length=LONGEST_EVENT_ID,
        required=False,
        help_text="Its sender's own name of it; CloudEvents: source and id.",
    )
    recorded_by = fields.Text(
        max_length=300, required=False, help_text="Who sent it, such as service:app; with event_id, you if left out."
    )
    units = fields.Integer(**UNITS, help_text="Below 0 to give back.")
    reason = fields.Text(max_length=500)

    def validate(self, attrs: dict[str, Any]) -> dict[str, Any]:
        """Take one name of the use."""
        if ("usage_id" in attrs) == ("event_id" in attrs):
            raise serializers.ValidationError({"usage_id": "Name the use by usage_id or by event_id."})
        if "recorded_by" in attrs and "event_id" not in attrs:
            raise serializers.ValidationError({"recorded_by": "It goes with event_id."})
        return attrs


def told(outcomes: Mapping[int, Outcome], faults: Mapping[int, str]) -> dict[str, Any]:
    """Show what became of the uses of a batch, by their places in it; `faults` could not be read."""
    recorded = [
        {"index": place, "id": str(each.id), "replayed": each.replayed} for place, each in outcomes.items() if each.id
    ]
    errors = [(place, each.error.code, str(each.error)) for place, each in outcomes.items() if each.error]
    errors += [(place, "invalid_request", said) for place, said in faults.items()]
    shown = [{"index": place, "code": code, "detail": detail} for place, code, detail in sorted(errors)]
    return {"data": recorded, "errors": shown}


def listed(said: Any, *, cloud: bool) -> Sequence[Any]:
    """Read the list of a batch, whatever its rows are: each is read for itself. Raises ValidationError."""
    events = said if cloud else said.get("events") if isinstance(said, dict) and len(said) == 1 else None
    # A thousand fields of DRF's would say of each row only that it is an object.
    if isinstance(events, list) and 0 < len(events) <= MOST:
        return events
    body = UsageBatchSaid(data={"events": events} if cloud else said)
    if body.is_valid():
        rows: Sequence[Any] = body.validated_data["events"]
        return rows
    # The body of cloud events is the list itself.
    raise serializers.ValidationError(body.errors["events"] if cloud else body.errors)


def read_each(rows: Sequence[Any], *, cloud: bool) -> tuple[dict[int, Use], dict[int, str]]:
    """Read each row for itself: the uses by their places, and what is wrong with the others."""
    uses: dict[int, Use] = {}
    faults: dict[int, str] = {}
    for place, row in enumerate(rows):
        if not isinstance(row, dict):
            faults[place] = f"#: {Strict.default_error_messages['invalid']}"
            continue
        if not cloud and (use := plain_use(row)):
            uses[place] = use
            continue
        found: Any = CloudEventSaid(data=row) if cloud else UsageSaid(data=row)
        if found.is_valid():
            uses[place] = read_one(found.validated_data, cloud=cloud)
        else:
            faults[place] = "; ".join(f"{each['pointer']}: {each['detail']}" for each in field_errors(found.errors))
    return uses, faults


def plain_use(row: Mapping[str, Any]) -> Use | None:
    """Read a row that is in no way unusual; a thousand serializers cost ten times what they write down."""
    user_id, feature_code, event_id = row.get("user_id"), row.get("feature_code"), row.get("event_id")
    units = row.get("units", 1)
    if not (
        type(user_id) is str
        and type(feature_code) is str
        and type(event_id) is str
        and type(units) is int
        and 0 < len(user_id) <= LONGEST_USER_ID
        and 0 < len(feature_code) <= LONGEST_FEATURE_CODE
        and 0 < len(event_id) <= LONGEST_OWN_ID
        and -MOST_UNITS <= units <= MOST_UNITS
        and row.keys() <= PLAIN
    ):
        return None
    try:
        at = MOMENT.run_validation(row["at"]) if "at" in row else None
    except serializers.ValidationError:
        return None
    return Use(user_id, feature_code, units, event_id, at)


def read_one(said: Mapping[str, Any], *, cloud: bool) -> Use:
    """Make a use of what a body says."""
    if cloud:
        return cloudevents.use_of(said)
    named = (said["user_id"], said["feature_code"], said["units"], said["event_id"])
    return Use(*named, said.get("at"), said.get("metadata", {}))
