"""Same key, same body: the same row. The unique constraint on (principal, key) decides every race."""

from __future__ import annotations

import hashlib
import json
from collections.abc import Mapping
from dataclasses import dataclass
from datetime import datetime, timedelta
from typing import Any, TypeVar

from django.db.models import Q

from billing.errors import KeyInFlight, KeyReused
from billing.models.asked import Asked

Row = TypeVar("Row", bound=Asked)
# Longer than the client's timeout and its one retry: after it, whoever spoke to Stripe about the row is gone.
BUSY_FOR = timedelta(seconds=60)


@dataclass(frozen=True, slots=True)
class Asking:
    """Who asks, under which key (None without), for what."""

    principal: str
    key: str | None
    request_hash: str

    @classmethod
    def of(cls, principal: str, key: str | None, body: Mapping[str, Any]) -> Asking:
        """Make it from the validated body: the order of its fields does not matter."""
        canonical = json.dumps(body, sort_keys=True, default=str)
        return cls(principal, key, hashlib.sha256(canonical.encode()).hexdigest())

    @property
    def columns(self) -> dict[str, Any]:
        """What the row keeps of it."""
        return {"principal": self.principal, "idempotency_key": self.key, "request_hash": self.request_hash}


def earlier(model: type[Row], asking: Asking) -> Row | None:
    """Return the row that this key made before. Raises KeyReused when it was made by another body."""
    if asking.key is None:
        return None
    row = model._default_manager.filter(principal=asking.principal, idempotency_key=asking.key).first()
    if row and row.request_hash != asking.request_hash:
        raise KeyReused
    return row


def take(row: Asked, *, at: datetime) -> None:
    """Claim the row for speaking to Stripe about it. Raises KeyInFlight while somebody else does."""
    free = type(row)._default_manager.filter(Q(busy_until=None) | Q(busy_until__lte=at), pk=row.pk)
    if not free.update(busy_until=at + BUSY_FOR):
        raise KeyInFlight


def release(row: Asked) -> None:
    """Let the next one speak to Stripe about the row."""
    type(row)._default_manager.filter(pk=row.pk).update(busy_until=None)
