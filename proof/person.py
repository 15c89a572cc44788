"""A user of the product that Farebox sells access to."""

from __future__ import annotations

import secrets
from datetime import datetime
from typing import Any

from proof.client import Client, new_key
from proof.settings import Settings

Answer = dict[str, Any]


class Person:
    """One user, new to Farebox. What he may not see himself, a service of the product asks for him."""

    def __init__(self, settings: Settings, service: Client, *, country: str):
        self.id = f"proof-{secrets.token_hex(6)}"
        self.country = country
        self.sessions: set[str] = set()
        self._landing = f"{settings.url}/?checkout="
        self._client = Client(settings, sub=self.id, role="user")
        self._service = service

    def open_checkout(self, plan_id: str, *, key: str | None = None) -> tuple[Answer, bool]:
        """Open a checkout; returns it, and whether it is a replay of an earlier answer."""
        body = {
            "plan_id": plan_id,
            "country_code": self.country,
            "success_url": f"{self._landing}paid",
            "cancel_url": f"{self._landing}canceled",
        }
        response = self._client.post("checkout-sessions", body, key=key or new_key())
        self.sessions.add(response.json()["stripe_id"])
        return response.json(), response.headers.get("Idempotent-Replayed") == "true"

    def check(self, feature_code: str, *, at: datetime | None = None) -> Answer:
        """Ask: may this user do this, now or at another moment?"""
        moment = {"at": at.isoformat()} if at else {}
        question = {"user_id": self.id, "feature_code": feature_code, **moment}
        answer: Answer = self._client.post("entitlements/check", question).json()
        return answer

    def payments(self) -> list[Answer]:
        return self._client.pages(f"users/{self.id}/payments")

    def subscriptions(self) -> list[Answer]:
        return self._client.pages(f"users/{self.id}/subscriptions")

    def entitlements(self) -> list[Answer]:
        return self._client.pages(f"users/{self.id}/entitlements")

    def history(self) -> list[Answer]:
        """Return what happened to this user, oldest first."""
        rows = self._service.pages("events", subject=f"user:{self.id}")
        return sorted(rows, key=lambda row: int(row["sequence"]))

    def cancel(self, subscription_id: str) -> Answer:
        """Cancel at the end of the period."""
        answer: Answer = self._client.delete(f"subscriptions/{subscription_id}")
        return answer
