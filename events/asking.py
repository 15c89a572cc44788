"""Same key, same body: the same row. The unique constraint on (principal, key) decides every race."""

from __future__ import annotations

import hashlib
import json
from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any, TypeVar

from django.db import models

CANONICAL = json.JSONEncoder(sort_keys=True, default=str)


class Keyed(models.Model):
    """A row that a client's POST makes: it carries the client's key, and is the point to recover from."""

    principal = models.CharField(max_length=300)
    idempotency_key = models.CharField(max_length=255, null=True, blank=True)  # noqa: DJ001 (absent is not empty)
    request_hash = models.CharField(max_length=64, blank=True)

    class Meta:
        abstract = True


Row = TypeVar("Row", bound=Keyed)


class KeyReused(Exception):
    """The key made another row, by another body."""

    code = "idempotency_key_reused"

    def __init__(self) -> None:
        super().__init__("This Idempotency-Key, or event_id, was used before with another body.")


@dataclass(frozen=True, slots=True)
class Asking:
    """Who asks, under which key (None without), for what."""

    principal: str
    key: str | None
    request_hash: str

    @classmethod
    def of(cls, principal: str, key: str | None, body: Mapping[str, Any]) -> Asking:
        """Make it from the validated body: the order of its fields does not matter."""
        return cls(principal, key, hashlib.sha256(CANONICAL.encode(body).encode()).hexdigest())

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
