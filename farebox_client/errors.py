"""How a question can fail. That Farebox says no is no failure: it is an answer."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from farebox_client.answers import Decision


class FareboxError(Exception):
    """What this package raises."""


class Unreachable(FareboxError):
    """No answer came in time. `away`: Farebox, or the way to it, is down, and not this one request at fault."""

    def __init__(self, why: str, *, away: bool = True, retry_after: float = 0.0):
        super().__init__(why)
        self.away = away
        self.retry_after = retry_after


class Refused(FareboxError):
    """Farebox refused the request (4xx). `problem` is its own account (RFC 9457)."""

    def __init__(self, status: int, problem: Mapping[str, Any], *, retry_after: float = 0.0):
        self.status = status
        self.retry_after = retry_after
        self.problem = problem
        self.code = str(problem.get("code", ""))
        self.detail = str(problem.get("detail", ""))
        self.errors: Sequence[Mapping[str, Any]] = problem.get("errors") or ()
        self.request_id = str(problem.get("request_id", ""))
        wrong = "".join(f" {_place(each)}: {each.get('detail', '')}" for each in self.errors)
        super().__init__(f"{status} {self.code}: {self.detail}{wrong}")

    @property
    def is_passing(self) -> bool:
        """Whether the same request may be taken later: too many came, or one with its key is under way."""
        return self.status == 429 or (self.status == 409 and self.retry_after > 0)


class NotEntitled(FareboxError):
    """A guarded function was called for a user who may not use the feature."""

    def __init__(self, decision: Decision):
        super().__init__(f"{decision.user_id} may not use {decision.feature_code}: {decision.reason_code}")
        self.decision = decision


def _place(error: Mapping[str, Any]) -> str:
    return str(error.get("pointer") or error.get("parameter") or error.get("header") or "")
