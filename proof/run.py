"""One run of the proof: who calls, what was bought so far, and what later lines need of earlier ones."""

from __future__ import annotations

import time
from dataclasses import dataclass
from typing import Any

import httpx

from proof import metrics
from proof.client import Client
from proof.expecting import NotReached, until
from proof.person import Person
from proof.sandbox_controls import Controls
from proof.settings import Settings
from proof.stripe_side import StripeSide

Answer = dict[str, Any]


@dataclass(slots=True)
class Purchase:
    """The one-time purchase that lines 2 to 5 and 10 look at."""

    person: Person
    checkout: Answer
    before: Answer | None = None
    payment: Answer | None = None
    allowed_at: float | None = None
    events: tuple[str, ...] = ()


class Run:
    """Everything that the lines share."""

    def __init__(self, settings: Settings):
        self.settings = settings
        self.began = int(time.time())
        self.service = Client(settings, sub="proof", role="service")
        self.admin = Client(settings, sub="proof", role="admin")
        self.stripe = StripeSide(settings)
        self.sandbox = Controls(settings)
        self.people: list[Person] = []
        self.purchase: Purchase | None = None

    def new_person(self, country: str) -> Person:
        """Make a user that nobody has seen before."""
        person = Person(self.settings, self.service, country=country)
        self.people.append(person)
        return person

    def parts(self) -> dict[str, str]:
        """Return how the parts of Farebox are, by /readyz. Raises httpx.HTTPError when it cannot be reached."""
        answer = httpx.get(f"{self.settings.url}/readyz", timeout=20, trust_env=False)
        found: dict[str, str] = answer.json()["parts"]
        return found

    def await_quiet(self) -> None:
        """Wait until every event of Stripe's has arrived and been worked on."""
        if self.settings.has_sandbox:
            until("webhooks on their way", self.sandbox.pending, lambda count: count == 0, expected="none")
        until("webhooks not worked on", self._waiting, lambda count: count == 0, expected="none")

    def opened(self) -> Purchase:
        """Return the checkout of line 2. Raises NotReached."""
        if self.purchase is None:
            raise NotReached(2)
        return self.purchase

    def paid(self) -> tuple[Purchase, Answer]:
        """Return the purchase and its payment of line 3. Raises NotReached."""
        purchase = self.opened()
        if purchase.payment is None:
            raise NotReached(3)
        return purchase, purchase.payment

    def _waiting(self) -> int:
        return metrics.webhooks(self.settings).get("received", 0)
