from __future__ import annotations

from typing import Any

from unfold.decorators import display

from config.office import ReadOnly

COLOURS = {
    "succeeded": "success",
    "active": "success",
    "paid": "success",
    "uncollectible": "danger",
    "complete": "success",
    "processed": "success",
    "failed": "danger",
    "dead": "danger",
    "past_due": "warning",
    "unpaid": "danger",
    "retry": "warning",
    "requires_action": "warning",
    "needs_response": "danger",
    "under_review": "warning",
    "won": "success",
    "lost": "danger",
    "flagged": "warning",
    "accepted": "success",
}


class Moving(ReadOnly):
    @display(description="status", label=COLOURS, ordering="status")
    def state(self, row: Any) -> str:
        """Show the status in its colour, a refunded payment as refunded."""
        return str(getattr(row, "shown_status", row.status))
