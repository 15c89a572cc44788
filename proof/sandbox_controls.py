"""The control endpoints of the Stripe sandbox: its clock, and its deliveries."""

from __future__ import annotations

from typing import Any

import httpx

from proof.settings import Settings


class Controls:
    """What Stripe itself does not offer: time that moves, and events that come again."""

    def __init__(self, settings: Settings):
        self._http = httpx.Client(base_url=f"{settings.stripe_base}/_sandbox", timeout=60, trust_env=False)

    def move_clock(self, customer: str, *, to: int) -> None:
        """Let time pass for one customer, until `to` (unix seconds); what is due on the way happens."""
        self._post("clock", {"customer": customer, "to": to})

    def send_again(self, event: str, *, times: int = 1, at_once: bool = False) -> list[int]:
        """Send an event again, and return the status of each answer."""
        answer = self._post(f"events/{event}/send", {"times": times, "at_once": at_once})
        return list(answer["statuses"])

    def delivered(self, *events: str) -> dict[str, float]:
        """Return when each of these events was first accepted (unix seconds, the wall clock)."""
        answer = self._http.get("/webhooks/deliveries").raise_for_status().json()
        found: dict[str, float] = {}
        for one in answer["data"]:
            if one["event"] in events and 200 <= one["status"] < 300:
                found.setdefault(one["event"], one["at"])
        return found

    def pending(self) -> int:
        """Count the deliveries that are still to be made, or made again."""
        return int(self._http.get("/webhooks/deliveries").raise_for_status().json()["pending"])

    def _post(self, path: str, body: dict[str, Any]) -> Any:
        return self._http.post(f"/{path}", json=body).raise_for_status().json()
