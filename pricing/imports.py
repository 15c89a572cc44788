"""A bulk change of countries, once per Idempotency-Key."""

from __future__ import annotations

import hashlib
import json
from collections.abc import Callable, Mapping, Sequence
from datetime import datetime
from typing import Any

from django.db import transaction

from events.asking import KeyReused
from pricing import zones
from pricing.models import ZoneImport
from pricing.zones import Outcome

Answer = dict[str, Any]


@transaction.atomic
def upsert_once(
    said: Sequence[Mapping[str, Any]],
    *,
    dry_run: bool,
    principal: str,
    key: str | None,
    shape: Callable[[Outcome], Answer],
    at: datetime,
) -> tuple[Answer, bool]:
    """Bulk upsert and answer in the `shape` given; a key of `principal` brings its first answer again, and says so.

    Writers of zones stand in line, so two requests with one key never are at work together. Raises KeyReused
    and what `zones.bulk_upsert` raises.
    """
    zones.stand_in_line()
    hashed = _hash(said, dry_run)
    if key is not None and (earlier := ZoneImport.objects.filter(principal=principal, idempotency_key=key).first()):
        if earlier.request_hash != hashed:
            raise KeyReused
        return earlier.answer, True
    answer = shape(zones.upsert_said(said, dry_run=dry_run, at=at))
    if key is not None:
        ZoneImport.objects.create(
            principal=principal, idempotency_key=key, request_hash=hashed, answer=answer, created_at=at
        )
    return answer, False


def _hash(said: Sequence[Mapping[str, Any]], dry_run: bool) -> str:
    canonical = json.dumps({"rows": said, "dry_run": dry_run}, sort_keys=True, default=str)
    return hashlib.sha256(canonical.encode()).hexdigest()
