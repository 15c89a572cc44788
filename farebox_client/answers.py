"""What Farebox answers, as values."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field
from datetime import datetime
from typing import Any, Literal

Policy = Literal["open", "closed"]


@dataclass(frozen=True, slots=True)
class Decision:
    """May this user use this feature? `said` is the whole answer as it came, with its period and source.

    `limit`, `used` and `remaining` are units of a metered feature, None when unlimited; `value` is a static one's.
    `is_fallback` says that Farebox gave no answer, and the application's own policy for the feature decided.
    """

    user_id: str
    feature_code: str
    allowed: bool
    reason_code: str
    value: Any = None
    limit: int | None = None
    used: int = 0
    remaining: int | None = None
    in_grace: bool = False
    expires_at: datetime | None = None
    is_fallback: bool = False
    said: Mapping[str, Any] = field(default_factory=dict, repr=False, compare=False)

    def __bool__(self) -> bool:
        """Say whether the user may."""
        return self.allowed

    @classmethod
    def of(cls, said: Mapping[str, Any]) -> Decision:
        """Read an answer. Raises KeyError, TypeError and ValueError for what is none."""
        return cls(
            user_id=str(said["user_id"]),
            feature_code=str(said["feature_code"]),
            allowed=said["allowed"] is True,
            reason_code=str(said["reason_code"]),
            value=said.get("value"),
            limit=said.get("limit"),
            used=said.get("used") or 0,
            remaining=said.get("remaining"),
            in_grace=bool(said.get("in_grace")),
            expires_at=moment(said.get("expires_at")),
            said=said,
        )

    @classmethod
    def fallback(cls, user_id: str, feature_code: str, policy: Policy) -> Decision:
        """Decide without an answer, as the application chose."""
        return cls(user_id, feature_code, policy == "open", f"fallback_{policy}", is_fallback=True)


@dataclass(frozen=True, slots=True)
class Wrong:
    """What of a question about many could not be read: which user, and why."""

    index: int
    code: str
    detail: str


@dataclass(frozen=True, slots=True)
class Answers:
    """Many decisions, by user and feature, and what could not be decided."""

    by_pair: Mapping[tuple[str, str], Decision]
    wrong: tuple[Wrong, ...] = ()

    def __getitem__(self, pair: tuple[str, str]) -> Decision:
        """Return the decision for a user and a feature."""
        return self.by_pair[pair]


@dataclass(frozen=True, slots=True)
class Recorded:
    """A use that Farebox has written down. `replayed`: it had been already, under the same id."""

    event_id: str
    replayed: bool
    said: Mapping[str, Any] = field(repr=False)


def moment(text: Any) -> datetime | None:
    """Read RFC 3339, None where nothing is said."""
    return None if text is None else datetime.fromisoformat(str(text).replace("Z", "+00:00"))
