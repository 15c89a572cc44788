"""A use as a CloudEvent says it (CloudEvents 1.0, JSON event format)."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

from entitlements.usage import Use

MOST_SOURCE = 255


def use_of(event: Mapping[str, Any]) -> Use:
    """Make a use of an event: who is its `subject`, what its data's feature or its `type`, when its `time`.

    Whoever sends a second event with the same `source` and `id` sends the same event (CloudEvents 1.0, `id`).
    """
    said = event.get("data", {})
    return Use(
        event["subject"],
        said.get("feature_code", event["type"]),
        said.get("units", 1),
        f"{event['source']} {event['id']}",
        event.get("time"),
        said.get("metadata", {}),
    )
