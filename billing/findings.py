"""What a person must look at."""

from __future__ import annotations

from typing import Any

from billing.models import Finding


def open(kind: Finding.Kind, object: str, **data: Any) -> Finding:
    """Open a finding, once for each kind and object while it is open."""
    finding, _ = Finding.objects.get_or_create(kind=kind, object=object, closed_at=None, defaults={"data": data})
    return finding
