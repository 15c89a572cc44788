"""What a person must look at."""

from __future__ import annotations

from typing import Any

from billing.models import Finding
from billing.transactions import whole
from events import clock, history


@whole
def open(kind: Finding.Kind, object: str, **data: Any) -> Finding:
    """Open a finding, once for each kind and object while it is open."""
    finding, made = Finding.objects.get_or_create(kind=kind, object=object, closed_at=None, defaults={"data": data})
    if made:
        _record("finding.opened", finding, data)
    return finding


@whole
def close(finding: Finding) -> bool:
    """Close a finding that holds no more, and say whether this call did it. May race."""
    at = clock.now()
    if not Finding.objects.filter(pk=finding.pk, closed_at=None).update(closed_at=at):
        return False
    _record("finding.closed", finding, {})
    return True


def _record(type: str, finding: Finding, data: dict[str, Any]) -> None:
    history.record(
        type,
        subject=f"finding:{finding.pk}",
        object=f"finding:{finding.pk}",
        at=clock.now(),
        data={"kind": str(finding.kind), "found": finding.object, **data},
    )
