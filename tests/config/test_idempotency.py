"""Any interleaving of n equal and m different requests under one key makes one thing, or says why not."""

from __future__ import annotations

import threading
from collections import Counter
from collections.abc import Callable, Iterator
from concurrent.futures import ThreadPoolExecutor
from contextlib import contextmanager
from dataclasses import dataclass
from itertools import count
from typing import Any
from uuid import uuid4

import pytest
from django.db import connection, models, transaction
from django.test import Client
from hypothesis import HealthCheck, Phase, given, settings
from hypothesis import strategies as st

from billing import approvals, idempotency
from billing.idempotency import Asking
from billing.models import (
    CardSetup,
    Checkout,
    Customer,
    Invoice,
    Payment,
    PaymentMethod,
    Refund,
    RefundApproval,
    Subscription,
    SubscriptionChange,
    SubscriptionOrder,
)
from config.api.roles import ROLES
from entitlements import families, grants
from entitlements.grants import Source
from entitlements.models import Award, Family, FamilyMember, Override, Reservation, SourceType
from events import clock
from pricing import plans
from pricing.imported import ZoneImport
from pricing.models import Country, Quote
from tests.api import api, places
from tests.billing.billed import bill_later
from tests.buyer import Buyer
from tests.shown import Shown

V1 = "/api/v1"
URLS = {"success_url": "http://localhost:3000/done", "cancel_url": "http://localhost:3000/back"}
KEYS = count(1)
TALLY: Counter[str] = Counter()
Body = dict[str, Any]


@dataclass(frozen=True)
class Making:
    """A POST that makes something: where, by whom, with which bodies, and the rows that its keys leave."""

    path: str
    role: str
    bodies: Callable[[], list[Body]]
    model: type[models.Model]
    status: int = 201
    ready: Callable[[], Any] = lambda: None


def refund_bodies() -> list[Body]:
    payment = str(Payment.objects.exclude(checkout=None).values_list("pk", flat=True)[0])
    return [{"payment_id": payment, "amount": amount, "reason": "duplicate"} for amount in (1, 2, 3)]


def invoice_bodies() -> list[Body]:
    return [{"user_id": "anna", **({"period_start": f"200{n}-01-01T00:00:00Z"} if n else {})} for n in range(3)]


def zone_bodies() -> list[Body]:
    return [{"rows": [{"iso_code": "IN", "country": "India", "zone": "C", "reason": f"r{n}"}]} for n in range(3)]


def customer_bodies() -> list[Body]:
    """Three users whom nobody knows yet: a user is a customer once."""
    return [{"user_id": f"new-{next(KEYS)}", "country": "IN"} for _ in range(3)]


def method_bodies() -> list[Body]:
    return [{"user_id": "anna", "payment_method_id": f"pm_card_{brand}"} for brand in ("visa", "mastercard", "amex")]


def subscription_bodies() -> list[Body]:
    """Three users whom nobody knows yet: each can have one subscription."""
    asked = {"plan_id": "pro-monthly", "payment_method": "pm_card_visa", "country_code": "IN"}
    return [{**asked, "user_id": f"subscriber-{next(KEYS)}"} for _ in range(3)]


def family_bodies() -> list[Body]:
    """Three users who have the family plan, and no family yet: a user leads one at a time."""
    users = [f"head-{next(KEYS)}" for _ in range(3)]
    version, at = plans.for_sale("family-yearly"), clock.now()
    with transaction.atomic():
        for user_id in users:
            source = Source(SourceType.MANUAL, f"gift to {user_id}")
            grants.grant(user_id, version, source=source, starts_at=at, ends_at=None, at=at)
    return [{"user_id": user_id} for user_id in users]


def invitation_bodies() -> list[Body]:
    """Three users for the first family, which is made on first need."""
    if not Family.objects.exists():
        (head, *_) = family_bodies()
        families.create(head["user_id"], name="", asking=Asking("admin:root", None, ""), at=clock.now())
    return [{"user_id": f"guest-{next(KEYS)}"} for _ in range(3)]


MAKING = {
    "POST families": Making("families", "admin", family_bodies, Family),
    "POST family-invitations": Making("families/{family}/invitations", "admin", invitation_bodies, FamilyMember),
    "POST customers": Making("customers", "admin", customer_bodies, Customer),
    "POST payment-methods": Making("payment-methods", "admin", method_bodies, PaymentMethod),
    "POST payment-methods-setup": Making(
        "payment-methods/setup",
        "admin",
        lambda: [{"user_id": user_id} for user_id in ("anna", "ben", "eva")],
        CardSetup,
    ),
    "POST subscriptions": Making("subscriptions", "admin", subscription_bodies, SubscriptionOrder),
    "POST subscription-preview": Making(
        "subscriptions/{subscription}/preview",
        "admin",
        lambda: [{"quantity": quantity} for quantity in (2, 3, 4)],
        SubscriptionChange,
    ),
    "POST quotes": Making(
        "quotes",
        "user",
        lambda: [{"plan_id": "premium-plan", "country_code": country} for country in ("IN", "DE", "ET")],
        Quote,
    ),
    "POST checkout-sessions": Making(
        "checkout-sessions",
        "user",
        lambda: [{"plan_id": "premium-plan", "country_code": country, **URLS} for country in ("IN", "DE", "ET")],
        Checkout,
    ),
    "POST payments": Making(
        "payments",
        "admin",
        lambda: [{"user_id": "anna", "amount": amount, "currency": "usd"} for amount in (500, 600, 700)],
        Payment,
    ),
    "POST payment-intent": Making(
        "payments/intent",
        "service",
        lambda: [{"order_id": str(uuid4()), "amount": 500, "currency": "usd"} for _ in range(3)],
        Payment,
    ),
    "POST refunds": Making("refunds", "admin", refund_bodies, Refund),
    "POST refund-approvals": Making("refund-approvals", "admin", refund_bodies, RefundApproval),
    "POST invoices": Making(
        "invoices", "admin", invoice_bodies, Invoice, ready=lambda: bill_later(Customer.objects.get(user_id="anna"))
    ),
    "POST entitlements": Making(
        "entitlements",
        "service",
        lambda: [{"user_id": "anna", "plan_id": "free", "reason": f"reason {n}"} for n in range(3)],
        Award,
    ),
    "POST overrides": Making(
        "overrides",
        "admin",
        lambda: [
            {"user_id": "anna", "feature_code": "export", "effect": "deny", "reason": f"reason {n}"} for n in range(3)
        ],
        Override,
    ),
    "POST reservations": Making(
        "usage/reservations",
        "admin",
        lambda: [{"user_id": "anna", "feature_code": "api_calls", "units": units} for units in (1, 2, 3)],
        Reservation,
    ),
    "POST pricing-zones-bulk": Making("pricing-zones/bulk", "admin", zone_bodies, ZoneImport, 200),
}
# What makes nothing of its own: a question, a decision that the row takes once, and Stripe's events by their ids.
NOT_MAKING = {
    # Who comes to a family, leaves it or leads it changes what is there: raced in entitlements/test_family_races.py.
    "POST invitation-accept",
    "POST invitation-decline",
    "POST family-leave",
    "POST family-transfer",
    "POST family-close",
    # Uses have ids of their sender's own: raced in tests/entitlements/test_usage_races.py.
    "POST usage",
    "POST usage-batch",
    "POST usage-corrections",
    "POST reservation-commit",
    "POST reservation-release",
    "POST entitlement-check",
    "POST entitlement-check-bulk",
    "POST ofrep-flag",
    "POST ofrep-flags",
    "POST invoice-void",
    "POST invoice-uncollectible",
    "POST payment-method-default",
    "POST refund-approval-approve",
    "POST refund-approval-decline",
    "POST stripe-webhook",
    # Its successor is an order: raced in tests/billing/test_pausing.py. The other two change what is there.
    "POST subscription-reactivate",
    "POST subscription-consent",
    "POST subscription-pause",
    "POST subscription-resume",
}


@pytest.fixture
def paid(buyer: Buyer) -> Iterator[Buyer]:
    """A buyer who has paid, and subscribed; India is put back as the seeds have it."""
    buyer.buy()
    buyer.subscribe()
    india = Country.objects.filter(iso_code="IN").values().get()
    yield buyer
    Country.objects.filter(iso_code="IN").update(**india)


def ask(making: Making, body: Body, key: str, who: str = "anna") -> Any:
    path = making.path.format(
        subscription=Subscription.objects.values_list("pk", flat=True).order_by("pk").first(),
        family=Family.objects.values_list("pk", flat=True).order_by("pk").first(),
    )
    headers = {"Idempotency-Key": key, "Change-Reason": "asked"}
    return api(who, making.role).post(f"{V1}/{path}", body, content_type="application/json", headers=headers)


def all_at_once(making: Making, bodies: list[Body], order: list[int], key: str) -> list[Any]:
    """Send one request for each number in `order`, from as many threads, through one gate."""
    gate = threading.Barrier(len(order))

    def one(number: int) -> Any:
        gate.wait()
        try:
            return ask(making, bodies[number], key)
        finally:
            connection.close()

    with ThreadPoolExecutor(len(order)) as pool:
        return list(pool.map(one, order))


def made_with_a_key(making: Making) -> int:
    return making.model._default_manager.exclude(idempotency_key=None).count()


def test_every_post_that_makes_something_is_here() -> None:
    """A new POST is either raced below, or said to make nothing."""
    assert {row for row in ROLES if row.startswith("POST ")} == set(MAKING) | NOT_MAKING


@pytest.mark.parametrize("operation", MAKING)
def test_any_interleaving_under_one_key_makes_one(paid: Buyer, operation: str) -> None:
    """One body wins; its equals get the same thing or are asked to wait, the others are told that the key is taken."""
    making = MAKING[operation]

    @settings(max_examples=20, deadline=None, phases=[Phase.generate], suppress_health_check=list(HealthCheck))
    @given(order=st.lists(st.integers(0, 2), min_size=2, max_size=8))
    def holds(order: list[int]) -> None:
        bodies = making.bodies()
        key, before = f"k-{next(KEYS)}", made_with_a_key(making)
        making.ready()
        answers = all_at_once(making, bodies, order, key)
        won = {number for number, answer in zip(order, answers, strict=True) if answer.status_code == making.status}
        first = [a for a in answers if a.status_code == making.status and "Idempotent-Replayed" not in a.headers]

        assert {answer.status_code for answer in answers} <= {making.status, 409, 422}
        assert made_with_a_key(making) - before == 1
        assert len(won) == 1
        assert len(first) == 1
        for number, answer in zip(order, answers, strict=True):
            assert (answer.status_code == 422) == (number not in won)
            if answer.status_code == 409:
                assert int(answer.headers["Retry-After"]) > 0
        again = ask(making, bodies[won.pop()], key)
        assert (again.status_code, again.headers["Idempotent-Replayed"]) == (making.status, "true")
        assert again.json().get("id") == first[0].json().get("id")
        TALLY.update(["interleavings", *(str(answer.status_code) for answer in answers)])

    holds()


def test_the_interleavings_are_counted(shown: Shown) -> None:
    """Runs after them."""
    assert TALLY["interleavings"] >= len(MAKING)
    told = ", ".join(f"{TALLY[code]} x {code}" for code in sorted(set(TALLY) - {"interleavings"}))
    shown(f"{TALLY['interleavings']} interleavings under one key of {len(MAKING)} operations: one made each; {told}")


@pytest.mark.parametrize("operation", MAKING)
def test_a_key_belongs_to_a_principal(paid: Buyer, operation: str) -> None:
    """The key of one is not the key of another: neither gets, nor learns of, what the other made."""
    making = MAKING[operation]
    bodies = making.bodies()

    making.ready()
    mine = ask(making, bodies[0], "shared")
    making.ready()
    other = ask(making, bodies[1], "shared", who="ben")

    assert [mine.status_code, other.status_code] == [making.status] * 2
    assert "Idempotent-Replayed" not in other.headers
    assert made_with_a_key(making) == 2


def test_nobody_has_no_key(paid: Buyer) -> None:
    """Everybody without a token is one principal: a key there would bring what a stranger made."""
    answer = Client().post(
        f"{V1}/quotes",
        {"plan_id": "free"},
        content_type="application/json",
        headers={"Idempotency-Key": "k-1"},
    )

    assert answer.status_code == 400
    assert places(answer) == ["Idempotency-Key"]


@contextmanager
def without(model: type[models.Model], name: str) -> Iterator[None]:
    """Take a unique constraint away, and put it back when the rows of the test are gone."""
    found = next(one for one in model._meta.constraints if one.name == name)
    with connection.schema_editor() as editor:
        editor.remove_constraint(model, found)
    try:
        yield
    finally:
        model._default_manager.all().delete()
        with connection.schema_editor() as editor:
            editor.add_constraint(model, found)


def test_without_the_constraint_one_key_makes_two(paid: Buyer, monkeypatch: pytest.MonkeyPatch) -> None:
    """The twin: it is the unique constraint that decides the race, not the look before it."""
    making, gate = MAKING["POST refund-approvals"], threading.Barrier(2)
    looked = idempotency.earlier

    def look_together(*words: Any) -> Any:
        found = looked(*words)
        gate.wait()
        return found

    monkeypatch.setattr(approvals.idempotency, "earlier", look_together)

    with without(RefundApproval, "one_approval_per_key"):
        all_at_once(making, making.bodies(), [0, 0], "twin")

        assert made_with_a_key(making) == 2
