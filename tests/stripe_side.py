"""Stripe as a test sees it: pay, move the clock, break things, and hand its events to our door."""

from __future__ import annotations

import hashlib
import hmac
import json
import random
import time
from typing import Any

import httpx
from django.test import Client

from billing import sync, webhooks
from events import clock

GOOD_CARD = "4242424242424242"
DECLINED_CARD = "4000000000000002"
Object = dict[str, Any]


class StripeSide:
    """One sandbox, over HTTP."""

    def __init__(self, url: str, secret: str):
        self.url, self.secret = url, secret
        # Plain HTTP: reading all certificates of the machine for each test took longer than many a test.
        self.http = httpx.Client(base_url=url, auth=("sk_test_tests", ""), timeout=30, verify=False)
        self.seen: set[str] = set()

    def reset(self) -> None:
        """Forget everything."""
        self.control("reset", seed=1)
        self.control("webhooks", mode="drop")
        self.http.delete("/_sandbox/faults").raise_for_status()
        self.seen.clear()

    def control(self, path: str, /, **asked: Any) -> Any:
        """Ask for what no real Stripe offers."""
        answer = self.http.post(f"/_sandbox/{path}", json=asked)
        assert answer.status_code == 200, answer.text
        return answer.json()

    def get(self, path: str, **params: Any) -> Any:
        """Read through Stripe's API."""
        answer = self.http.get(f"/v1/{path}", params=params)
        assert answer.status_code == 200, answer.text
        return answer.json()

    def post(self, path: str, **params: Any) -> Any:
        """Write through Stripe's API, as its dashboard would."""
        answer = self.http.post(f"/v1/{path}", data=params)
        assert answer.status_code == 200, answer.text
        return answer.json()

    def pay(self, session: str, card: str = GOOD_CARD) -> httpx.Response:
        """Do what the buyer does on the hosted page; a declined card answers 402."""
        return self.http.post(f"/_sandbox/checkout/{session}/pay", json={"card": card, "email": "anna@example.com"})

    def advance(self, customer: str, *, to: int) -> None:
        """Let a customer's time pass."""
        self.control("clock", customer=customer, to=to)

    def requests(self, method: str, path: str) -> list[Object]:
        """Return what we asked of Stripe."""
        log = self.http.get("/_sandbox/requests").json()["data"]
        return [one for one in log if one["method"] == method and one["path"] == path]

    def new_events(self) -> list[Object]:
        """Return the events not yet seen, oldest first."""
        found = self.get("events", limit=100)["data"]
        fresh = [event for event in reversed(found) if event["id"] not in self.seen]
        self.seen.update(event["id"] for event in fresh)
        return fresh

    def deliver(self, *, times: int = 1, shuffled: int | None = None, work: bool = True) -> list[Object]:
        """Hand all new events to our door, signed; then, unless told not to, do the worker's work."""
        events = self.new_events() * times
        if shuffled is not None:
            random.Random(shuffled).shuffle(events)
        for event in events:
            answer = self.send(json.dumps(event).encode())
            assert answer.status_code == 200, answer.content
        if work:
            work_off()
        return events

    def send(self, body: bytes, *, signature: str | None = None, at: float | None = None) -> Any:
        """Post one body to our door."""
        header = signature if signature is not None else self.sign(body, at=at)
        return Client().post(
            "/api/v1/webhooks/stripe", body, content_type="application/json", headers={"Stripe-Signature": header}
        )

    def sign(self, body: bytes, *, at: float | None = None, secret: str | None = None) -> str:
        """Sign as Stripe does: https://docs.stripe.com/webhooks#verify-manually."""
        stamp = int(time.time() if at is None else at)
        signed = hmac.new((secret or self.secret).encode(), f"{stamp}.".encode() + body, hashlib.sha256)
        return f"t={stamp},v1={signed.hexdigest()}"


def work_off() -> None:
    """Do what the worker and the sweeper do, until nothing waits; but a look that fails, fails the test."""
    at = clock.now() + webhooks.BELL_TIME
    while due := webhooks.due(at=at):
        # As there, none whose news the look at its parent has served.
        looked = [webhooks.waiting(stripe_id, at=at) and sync.look(stripe_id) for stripe_id in due]
        assert any(looked)
