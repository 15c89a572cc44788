"""What can be wrong with a grant or a question. Each phrases itself; `field` names the input that is at fault."""

from __future__ import annotations

from datetime import datetime


class EntitlementsError(Exception):
    code = "entitlements_error"
    field = ""


class SpanReversed(EntitlementsError):
    code = "span_reversed"

    def __init__(self, starts_at: datetime, ends_at: datetime, *, field: str = "ends_at"):
        self.field = field
        super().__init__(f"Access cannot end at {ends_at.isoformat()}, before it starts at {starts_at.isoformat()}.")


class GraceWithoutEnd(EntitlementsError):
    code = "grace_without_end"
    field = "grace_until"

    def __init__(self, grace_until: datetime, ends_at: datetime | None):
        end = ends_at.isoformat() if ends_at else "never"
        super().__init__(f"Grace until {grace_until.isoformat()} needs an end before it, and access ends {end}.")


class UnknownReason(EntitlementsError):
    code = "unknown_reason"
    field = "reason"

    def __init__(self, reason: str, known: list[str]):
        super().__init__(f"{reason!r} is no reason to hold access back. Known are: {', '.join(known)}.")


class StreamsFull(EntitlementsError):
    """As many streams are open as this process has room for."""

    code = "streams_full"
    retry_after = 5

    def __init__(self, most: int):
        super().__init__(f"{most} streams are open here. Please try again, or ask for the ETag instead.")


class NegativeRequest(EntitlementsError):
    code = "negative_request"
    field = "requested"

    def __init__(self, requested: int):
        super().__init__(f"{requested} units cannot be asked for: ask for 0 to read the state only.")


class TargetingKeyMissing(EntitlementsError):
    code = "targeting_key_missing"
    field = "context"

    def __init__(self) -> None:
        super().__init__("Say which user is meant, as context.targetingKey: the token is a service's or of staff.")
