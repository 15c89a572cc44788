"""Every cell: operation x role x whose object, with ids in path, query, body, filter and cursor."""

from __future__ import annotations

import json
import re
from collections.abc import Callable, Iterator
from contextlib import nullcontext
from dataclasses import dataclass, fields
from datetime import timedelta
from typing import Any
from uuid import UUID, uuid4

import pytest
from django.db import connection, transaction
from django.db.models import Q
from django.test import Client

from billing import approvals, pausing, payment_methods, proposals, refunds, subscriptions
from billing.idempotency import Asking
from billing.models import (
    CardSetup,
    Checkout,
    Customer,
    Dispute,
    Invoice,
    Payment,
    PaymentMethod,
    Refund,
    RefundApproval,
    StripeCustomer,
    Subscription,
    ZoneCheck,
)
from config.api.authentication import Role
from config.api.roles import DEEDS, ROLES, Reach
from entitlements import awards, families, grants, invitations, overrides, reservations, usage
from entitlements.awards import Gift
from entitlements.grants import Source
from entitlements.models import Entitlement, Family, FamilyMember, Reservation, SourceType, UsageCounter, UsageEvent
from entitlements.overrides import Ruling
from entitlements.usage import Use
from events import clock
from pricing import plans, quotes, zones
from tests.api import api
from tests.billing.billed import an_open_invoice, bill_later
from tests.books import forget_plan
from tests.buyer import Buyer
from tests.shown import Shown
from tests.stripe_side import StripeSide

V1 = "/api/v1"
# What the owner and the members of a family reach of each other: test_family_matrix.py.
WHOSE = ("own", "other", "absent", "deleted")
WHY = {"Change-Reason": "to see who may"}
URLS = {"success_url": "http://localhost:3000/done", "cancel_url": "http://localhost:3000/back"}


@dataclass(frozen=True)
class Things:
    """What one user has, or had, by their ids."""

    user_id: str
    country: str
    plan: str
    payment: UUID | str
    checkout: UUID | str
    subscription: UUID | str
    refund: UUID | str
    approved: UUID | str
    declined: UUID | str
    invoice: UUID | str
    waiting: UUID | str
    hopeless: UUID | str
    customer: UUID | str
    card: UUID | str
    old_card: UUID | str
    dispute: UUID | str
    family: UUID | str
    sent: UUID | str
    invitation: UUID | str
    grant: UUID | str
    gift: UUID | str
    override: UUID | str
    used: UUID | str
    held: UUID | str
    freed: UUID | str


Call = tuple[str, dict[str, Any] | None]


@dataclass(frozen=True)
class Operation:
    """How to name an object to an operation, and where the id stands."""

    call: Callable[[Things], Call]
    names: str = "nothing"

    @property
    def finds(self) -> bool:
        """Whether an absent object is a 404 for everybody; a user id names somebody whether we know him or not."""
        return self.names == "object"


def nothing(path: str, body: dict[str, Any] | None = None) -> Operation:
    return Operation(lambda _: (path, body))


def found(path: str, body: dict[str, Any] | None = None) -> Operation:
    return Operation(lambda things: (path.format(**vars(things)), body), names="object")


def of_user(path: str, **body: str) -> Operation:
    return Operation(
        lambda things: (
            path.format(**vars(things)),
            {name: value.format(**vars(things)) for name, value in body.items()} or None,
        ),
        names="user",
    )


def flag_of(path: str) -> Operation:
    return Operation(lambda things: (path, {"context": {"targetingKey": things.user_id}}), names="user")


def billing(things: Things) -> Call:
    """Let something wait for the invoice that is asked for, where there is a subscription."""
    if subscription := Subscription.objects.filter(pk=things.subscription).first():
        bill_later(subscription.customer, subscription=subscription)
    return "/invoices", {"subscription_id": str(things.subscription)}


def quoted(path: str, *, order_id: bool = False) -> Operation:
    """Ask for what a quote says, for the user whose things they are."""

    def call(things: Things) -> Call:
        quote = quotes.quote(plans.for_sale("premium-plan"), "IN", at=clock.now())
        order = {"order_id": str(uuid4())} if order_id else {}
        return path, {"user_id": things.user_id, "quote_id": str(quote.pk), **order}

    return Operation(call, names="user")


def customer_of(things: Things) -> UUID:
    """Name the customer who has these things: an operation before may have made one for who has nothing."""
    payment = Payment.objects.filter(pk=things.payment).first()
    return payment.customer_id if payment else uuid4()


def fresh_plan() -> str:
    """Sell a plan in a product line of its own: of each a user has one subscription."""
    at, name = clock.now(), f"fresh-{len(FRESH)}"
    FRESH.append(name)
    with transaction.atomic():
        plan = plans.add(name, name="Fresh", product_line=name, at=at)
        terms = plans.terms_of(plans.for_sale("pro-monthly"))
        plans.publish(plans.draft(plan, terms, at=at), at=at)
    return name


def paused(things: Things) -> str:
    """Pause the subscription, when there is one, so that it can be resumed."""
    if subscription := Subscription.objects.filter(pk=things.subscription).first():
        pausing.pause(subscription)
    return f"/subscriptions/{things.subscription}"


def asked(things: Things) -> str:
    """Propose the price of the card's country, when there is a subscription, so that it can be answered."""
    if check := ZoneCheck.objects.filter(payment__subscription=things.subscription, status="flagged").first():
        proposals.propose(check, by="staff:root")
    return f"/subscriptions/{things.subscription}"


def ending(things: Things) -> str:
    """Plan the end of the subscription, when there is one, so that it can be undone."""
    if subscription := Subscription.objects.filter(pk=things.subscription).first():
        subscriptions.cancel(subscription, now=False)
    return f"/subscriptions/{things.subscription}"


def with_kin(things: Things) -> str:
    """Let somebody be in the family, where there is one, so that he can be removed."""
    family, kin = Family.objects.filter(pk=things.family, closed_at=None).first(), f"kin of {things.user_id}"
    if family and not families.is_in_one(kin):
        invitations.accept(invite(family, kin), kin, at=clock.now())
    return f"/families/{things.family}/members/{kin}"


def invite(family: Family, user_id: str) -> FamilyMember:
    return invitations.invite(family, user_id, asking=Asking("admin:root", None, ""), at=clock.now())[0]


def a_family(user_id: str) -> Family:
    """Give a user the family plan, and make his family."""
    version, at = plans.for_sale("family-yearly"), clock.now()
    with transaction.atomic():
        source = Source(SourceType.MANUAL, f"family plan of {user_id}")
        grants.grant(user_id, version, source=source, starts_at=at, ends_at=None, at=at)
    return families.create(user_id, name="", asking=Asking("admin:root", None, ""), at=at)[0]


FRESH: list[str] = []
WHY = {"Change-Reason": "a test"}
ZONE = {"country": "Testland", "zone": "C"}
OPERATIONS: dict[str, Operation] = {
    "GET plans": nothing("/plans"),
    "GET plan": found("/plans/{plan}"),
    "GET features": nothing("/features"),
    "POST quotes": nothing("/quotes", {"plan_id": "premium-plan", "country_code": "IN"}),
    "GET pricing-zones": nothing("/pricing-zones"),
    "GET pricing-zone": found("/pricing-zones/{country}"),
    "PUT pricing-zone": nothing("/pricing-zones/QN", ZONE),
    "DELETE pricing-zone": found("/pricing-zones/{country}"),
    "POST pricing-zones-bulk": nothing("/pricing-zones/bulk", {"rows": [{**ZONE, "iso_code": "QO"}]}),
    "POST checkout-sessions": of_user(
        "/checkout-sessions", user_id="{user_id}", plan_id="premium-plan", country_code="IN", **URLS
    ),
    "GET checkout-session": found("/checkout-sessions/{checkout}"),
    "POST customers": of_user("/customers", user_id="{user_id}"),
    "GET customers": nothing("/customers"),
    "GET customer": found("/customers/{customer}"),
    "PATCH customer": found("/customers/{customer}", {"country": "IN"}),
    "POST payment-methods": of_user("/payment-methods", user_id="{user_id}", payment_method_id="pm_card_visa"),
    "POST payment-methods-setup": of_user("/payment-methods/setup", user_id="{user_id}"),
    "POST payment-method-default": found("/payment-methods/{card}/default"),
    "DELETE payment-method": found("/payment-methods/{old_card}"),
    "GET user-payment-methods": of_user("/users/{user_id}/payment-methods"),
    "GET payments": nothing("/payments"),
    "GET payment": found("/payments/{payment}"),
    "POST payments": quoted("/payments"),
    "POST payment-intent": quoted("/payments/intent", order_id=True),
    "PATCH payment-status": Operation(
        lambda things: (f"/payments/{things.payment}/status", {"status": "completed", "reason": "as it is"}), "object"
    ),
    "GET customer-payments": Operation(lambda things: (f"/customers/{customer_of(things)}/payments", None), "object"),
    "GET refunds": nothing("/refunds"),
    "GET user-payments": of_user("/users/{user_id}/payments"),
    "POST refunds": Operation(
        lambda things: ("/refunds", {"payment_id": str(things.payment), "amount": 1, "reason": "duplicate"}), "object"
    ),
    "GET refund": found("/refunds/{refund}"),
    "GET payment-refunds": found("/payments/{payment}/refunds"),
    "GET disputes": nothing("/disputes"),
    "GET dispute": found("/disputes/{dispute}"),
    "GET payment-disputes": found("/payments/{payment}/disputes"),
    "POST refund-approvals": Operation(
        lambda things: ("/refund-approvals", {"payment_id": str(things.payment), "reason": "duplicate"}), "object"
    ),
    "GET refund-approvals": nothing("/refund-approvals"),
    "GET refund-approval": found("/refund-approvals/{approved}"),
    "POST refund-approval-approve": found("/refund-approvals/{approved}/approve", {}),
    "POST refund-approval-decline": found("/refund-approvals/{declined}/decline", {}),
    "GET subscriptions": nothing("/subscriptions"),
    "POST subscriptions": Operation(
        lambda things: ("/subscriptions", {"user_id": things.user_id, "plan_id": fresh_plan(), "country_code": "IN"}),
        "user",
    ),
    "PATCH subscription": found("/subscriptions/{subscription}", {"plan_id": "pro-monthly"}),
    "POST subscription-preview": found("/subscriptions/{subscription}/preview", {"quantity": 2}),
    "POST subscription-consent": Operation(lambda things: (f"{asked(things)}/consent", {"accept": False}), "object"),
    "POST subscription-pause": found("/subscriptions/{subscription}/pause", {}),
    "POST subscription-resume": Operation(lambda things: (f"{paused(things)}/resume", None), "object"),
    "POST subscription-reactivate": Operation(lambda things: (f"{ending(things)}/reactivate", {}), "object"),
    "GET subscription": found("/subscriptions/{subscription}"),
    "DELETE subscription": found("/subscriptions/{subscription}"),
    "GET user-subscriptions": of_user("/users/{user_id}/subscriptions"),
    "GET invoices": nothing("/invoices"),
    "POST invoices": Operation(billing, names="object"),
    "GET invoice": found("/invoices/{invoice}"),
    "POST invoice-void": found("/invoices/{waiting}/void", {}),
    "POST invoice-uncollectible": found("/invoices/{hopeless}/uncollectible", {}),
    "GET user-invoices": of_user("/users/{user_id}/invoices"),
    "GET subscription-invoices": found("/subscriptions/{subscription}/invoices"),
    "GET entitlement-check": of_user("/entitlements/check?feature_code=export&user_id={user_id}"),
    "POST entitlement-check": of_user("/entitlements/check", feature_code="export", user_id="{user_id}"),
    "POST entitlement-check-bulk": Operation(
        lambda things: ("/entitlements/check-bulk", {"user_ids": [things.user_id], "feature_codes": ["export"]}), "user"
    ),
    "GET user-entitlements": of_user("/users/{user_id}/entitlements"),
    "POST families": of_user("/families", user_id="{user_id}"),
    "GET family": found("/families/{family}"),
    "GET user-family": found("/users/{user_id}/family"),
    "GET family-members": found("/families/{family}/members"),
    "GET family-invitations": found("/families/{family}/invitations"),
    "POST family-invitations": found("/families/{family}/invitations", {}),
    "GET user-invitations": of_user("/users/{user_id}/invitations"),
    "DELETE invitation": found("/invitations/{sent}"),
    "POST invitation-accept": found("/invitations/{invitation}/accept", {}),
    "POST invitation-decline": found("/invitations/{invitation}/decline", {}),
    "POST family-leave": found("/families/{family}/leave"),
    "DELETE family-member": Operation(lambda things: (with_kin(things), None), "object"),
    "POST family-transfer": Operation(
        lambda things: (f"/families/{things.family}/transfer", {"user_id": things.user_id}), "object"
    ),
    "POST family-close": found("/families/{family}/close"),
    "GET entitlement-stream": of_user("/entitlements/stream?user_id={user_id}"),
    "POST entitlements": of_user("/entitlements", user_id="{user_id}", feature_code="export", reason="a test"),
    "GET entitlement": found("/entitlements/{grant}"),
    "PATCH entitlement": found("/entitlements/{gift}", {"status": "active", "reason": "a test"}),
    "GET overrides": nothing("/overrides"),
    "POST overrides": of_user(
        "/overrides", user_id="{user_id}", feature_code="export", effect="allow", reason="a test"
    ),
    "GET override": found("/overrides/{override}"),
    "DELETE override": found("/overrides/{override}"),
    "POST usage": of_user("/usage", feature_code="api_calls", user_id="{user_id}", event_id="of-{user_id}"),
    "POST usage-batch": nothing("/usage/batch", {"events": [{"user_id": "anna"}]}),
    "POST usage-corrections": Operation(
        lambda things: ("/usage/corrections", {"usage_id": str(things.used), "units": -1, "reason": "twice"}), "object"
    ),
    "POST reservations": of_user("/usage/reservations", feature_code="api_calls", user_id="{user_id}"),
    "GET reservation": found("/usage/reservations/{held}"),
    "POST reservation-commit": found("/usage/reservations/{held}/commit", {}),
    "POST reservation-release": found("/usage/reservations/{freed}/release"),
    "GET user-usage": of_user("/users/{user_id}/usage"),
    "POST ofrep-flag": flag_of("/ofrep/v1/evaluate/flags/export"),
    "POST ofrep-flags": flag_of("/ofrep/v1/evaluate/flags"),
    "GET events": nothing("/events"),
    "POST stripe-webhook": nothing("/webhooks/stripe", {"id": "evt_1"}),
}
# Stripe signs, nobody else: a body without its signature is refused as bad input, whoever sends it.
UNSIGNED = "POST stripe-webhook"
# A user is a customer once, and is in one family at a time: by then each of these users is, and leads it.
MADE_BEFORE = {"POST customers", "POST families", "POST invitation-accept", "POST family-leave"}
# Who was granted nothing uses nothing.
TAKING = {"POST usage", "POST reservations"}


def bought(stripe: StripeSide, user_id: str, *, country: str, plan: str) -> Things:
    """Let a user buy once and subscribe, get a little back, and have two refunds waiting for a second admin."""
    buyer = Buyer(stripe, user_id)
    checkout = buyer.buy()
    subscription = buyer.subscribe()
    payment = Payment.objects.get(checkout=checkout)
    asking = Asking.of("admin:alice", None, {})
    refund, _ = refunds.create(payment, 1, reason="duplicate", asking=asking)
    waiting = [approvals.ask(payment, 1, reason="duplicate", asking=asking)[0].pk for _ in range(2)]
    first = subscription.invoices.get().pk
    unpaid = [an_open_invoice(buyer).pk for _ in range(2)]
    cards = [payment_methods.attach(user_id, "pm_card_visa", asking=asking)[0].pk for _ in range(2)]
    customer = Customer.objects.get(user_id=user_id).pk
    return Things(
        **{"user_id": user_id, "country": country, "plan": plan},
        **{"payment": payment.pk, "checkout": checkout.pk, "subscription": subscription.pk, "refund": refund.pk},
        **dict(zip(("approved", "declined"), waiting, strict=True)),
        **dict(zip(("invoice", "waiting", "hopeless"), (first, *unpaid), strict=True)),
        **dict(zip(("customer", "card", "old_card"), (customer, *cards), strict=True)),
        dispute=disputed(stripe, subscription),
        **shared(user_id),
        **given(user_id),
        **metered(user_id),
    )


def shared(user_id: str) -> dict[str, UUID]:
    """Give a user a family, with an open invitation to it, and one for him to the family of a host."""
    family, host = a_family(user_id), Family.objects.filter(owner_id="host").first() or a_family("host")
    return {"family": family.pk, "sent": invite(family, "").pk, "invitation": invite(host, user_id).pk}


def given(user_id: str) -> dict[str, UUID]:
    """Give the user a feature, and say something of it."""
    asking = Asking.of("admin:alice", None, {})
    award, _ = awards.give(user_id, Gift(feature_code="export"), reason="a test", asking=asking)
    override, _ = overrides.add(user_id, Ruling("export", "allow"), reason="a test", asking=asking)
    rows = Entitlement.objects.filter(user_id=user_id)
    return {
        "gift": rows.get(source_id=str(award.pk)).pk,
        "grant": rows.filter(source_type="one_time").values_list("pk", flat=True)[0],
        "override": override.pk,
    }


def metered(user_id: str) -> dict[str, UUID]:
    """Let a user use something, and hold some more twice."""
    now, asking = clock.now(), Asking.of("admin:alice", None, {})
    used, _ = usage.record(Use(user_id, "api_calls", 100, f"first-{user_id}"), principal="admin:alice", now=now)
    held = [
        reservations.reserve(user_id, "api_calls", 1, expires_in=timedelta(hours=1), asking=asking, now=now)[0].pk
        for _ in range(2)
    ]
    return {"used": used.pk, "held": held[0], "freed": held[1]}


def disputed(stripe: StripeSide, subscription: Subscription) -> UUID:
    """Let a bank ask for what the subscription's first period cost."""
    stripe.control("disputes", charge=subscription.payments.get().stripe_charge_id)
    stripe.deliver()
    return Dispute.objects.get(payment__subscription=subscription).pk


def deleted(things: Things) -> Things:
    """Take all rows of a user away, as no operation of ours ever does."""
    mine = {"payment__customer__user_id": things.user_id}
    with transaction.atomic(), connection.cursor() as cursor:
        cursor.execute("SET LOCAL session_replication_role = replica")
        UsageEvent.objects.filter(user_id=things.user_id).delete()
        Reservation.objects.filter(user_id=things.user_id).delete()
        UsageCounter.objects.filter(subject=f"user:{things.user_id}").delete()
    RefundApproval.objects.filter(**mine).delete()
    Refund.objects.filter(**mine).delete()
    Dispute.objects.filter(**mine).delete()
    ZoneCheck.objects.filter(**mine).delete()
    FamilyMember.objects.filter(Q(family__owner_id=things.user_id) | Q(user_id=things.user_id)).delete()
    Family.objects.filter(owner_id=things.user_id).delete()
    Entitlement.objects.filter(user_id=things.user_id).delete()
    with transaction.atomic(), connection.cursor() as cursor:
        # An override is never deleted: its trigger is off for that moment.
        cursor.execute("SET LOCAL session_replication_role = replica")
        cursor.execute("DELETE FROM entitlements_override WHERE user_id = %s", [things.user_id])
    for model in (Payment, Invoice, Subscription, Checkout, PaymentMethod, CardSetup, StripeCustomer):
        model.objects.filter(customer__user_id=things.user_id).delete()
    Customer.objects.filter(user_id=things.user_id).delete()
    return things


@pytest.fixture
def world(books: None, stripe_side: StripeSide) -> Iterator[dict[str, Things]]:
    """Give what anna has, what ben has, what nobody has, and what dora had."""
    at = clock.now()
    gone = plans.add("gone-plan", at=at, name="Gone")
    gone.delete()
    zones.upsert(zones.CountryRow("QP", "Gone", "C"), at=at)
    zones.remove("QP", at=at)
    names = {field.name for field in fields(Things)} - {"user_id", "country", "plan"}
    yield {
        "own": bought(stripe_side, "anna", country="IN", plan="premium-plan"),
        "other": bought(stripe_side, "ben", country="IN", plan="premium-plan"),
        "absent": Things("nobody", "QM", "no-such-plan", **{name: uuid4() for name in names}),
        "deleted": deleted(bought(stripe_side, "dora", country="QP", plan="gone-plan")),
    }
    while FRESH:
        forget_plan(FRESH.pop())


@pytest.fixture
def two(books: None, stripe_side: StripeSide) -> tuple[Things, Things]:
    """Give what anna has and what ben has."""
    anna, ben = (bought(stripe_side, user_id, country="IN", plan="premium-plan") for user_id in ("anna", "ben"))
    return anna, ben


def client_of(role: Role) -> Client:
    return Client() if role is Role.ANONYMOUS else api("anna" if role is Role.USER else f"a-{role}", role)


def send(client: Client, operation: str, things: Things) -> Any:
    """Call an operation; what it changes of the catalog is undone, what it changes of money stays."""
    path, body = OPERATIONS[operation].call(things)
    with transaction.atomic() if "zone" in operation else nullcontext():
        raw = b"" if body is None else json.dumps(body).encode()
        path = path if path.startswith("/ofrep/") else V1 + path
        answer = client.generic(operation.split(" ")[0], path, raw, content_type="application/json", headers=WHY)
        if "zone" in operation:
            transaction.set_rollback(True)
    return answer


def expected(operation: str, role: Role, whose: str) -> int:
    """Work out from the table what a cell must answer; 200 stands for every success."""
    reach = ROLES[operation].get(role)
    if reach is None:
        return 401 if role is Role.ANONYMOUS else 403
    named = OPERATIONS[operation]
    if reach is Reach.OWN and named.names != "nothing" and whose != "own":
        return 404
    if named.finds and whose in ("absent", "deleted"):
        return 404
    if operation in TAKING and whose in ("absent", "deleted"):
        return 409
    return 409 if operation in MADE_BEFORE else 400 if operation == UNSIGNED else 200


def plain(answer: Any) -> tuple[int, bytes, dict[str, str]]:
    """Keep of an answer what a caller sees, but the number of his own request."""
    body = re.sub(rb'"request_id":"[^"]*"', b"", answer.content)
    headers = {name: value for name, value in answer.headers.items() if not name.lower().startswith(("x-req", "ratel"))}
    return answer.status_code, body, headers


def test_the_matrix_names_every_operation() -> None:
    """A new operation without a row fails here, and so does a row without a call."""
    assert set(OPERATIONS) == set(ROLES)


def test_every_cell_holds(world: dict[str, Things], shown: Shown) -> None:
    """SE-02, API1:2023, API5:2023: operation x role x own, other, absent and deleted."""
    wrong, refused, count = [], 0, 0

    for operation in ROLES:
        for role in Role:
            for whose in WHOSE:
                status = send(client_of(role), operation, world[whose]).status_code
                want = expected(operation, role, whose)
                count += 1
                refused += want in (401, 403, 404)
                if (200 if 200 <= status < 300 else status) != want:
                    wrong.append(f"{operation} by {role} of {whose}: {status}, not {want}")

    assert wrong == []
    shown(
        f"{len(ROLES)} operations x {len(Role)} roles x {len(WHOSE)} owners = {count} cells of the matrix,"
        f" {refused} of them refusals"
    )


def test_foreign_is_absent_byte_for_byte(world: dict[str, Things], shown: Shown) -> None:
    """API1:2023: neither body nor header tells a user whether a foreign object is there."""
    owned = [name for name, row in ROLES.items() if row.get(Role.USER) is Reach.OWN]
    client, differ = client_of(Role.USER), []

    for operation in owned:
        answers = {whose: plain(send(client, operation, world[whose])) for whose in ("other", "absent", "deleted")}
        if not answers["other"] == answers["absent"] == answers["deleted"]:
            differ.append((operation, answers))

    assert differ == []
    shown(f"{len(owned)} operations on what is one's own: foreign = absent = deleted, byte for byte")


def test_a_foreign_cursor_tells_nothing(two: tuple[Things, Things]) -> None:
    """A cursor is a place in one's own list: a foreign id and one that never was bring the same page."""
    ben = two[1]
    grant = Entitlement.objects.filter(user_id="ben").values_list("pk", flat=True)[0]
    now = clock.now().isoformat()

    for path, foreign in (("payments", ben.payment), ("subscriptions", ben.subscription), ("entitlements", grant)):
        never_was = UUID(int=UUID(str(foreign)).int + 1)
        moment = {"at": now} if path == "entitlements" else {}
        answers = [
            plain(api("anna").get(f"{V1}/users/anna/{path}", {"starting_after": str(one), **moment}))
            for one in (foreign, never_was)
        ]
        assert answers[0][0] == 200
        assert answers[0] == answers[1]
        assert b'"user_id":"ben"' not in answers[0][1]


def test_a_foreign_quote_in_a_body_is_an_absent_one(two: tuple[Things, Things]) -> None:
    """An id in the body that is not one's own is answered as one that never was."""
    version = plans.for_sale("premium-plan")
    foreign = quotes.quote(version, "IN", user_id="ben", at=clock.now()).pk
    body = {"plan_id": "premium-plan", "country_code": "IN", **URLS}

    answers = [
        plain(api().post(f"{V1}/checkout-sessions", {**body, "quote_id": str(one)}, content_type="application/json"))
        for one in (foreign, uuid4())
    ]

    assert answers[0][0] == 409
    assert answers[0] == answers[1]


def test_no_parameter_reaches_into_foreign_rows(two: tuple[Things, Things]) -> None:
    """What the path says is whose list it is; of two names of a user the one that counts is the one that is checked."""
    for path in ("payments", "subscriptions", "entitlements"):
        for name in ("user_id", "customer", "customer_id", "customer__user_id"):
            answer = api("anna").get(f"{V1}/users/anna/{path}", {name: "ben"})
            assert answer.status_code in (200, 400)
            assert {one["user_id"] for one in answer.json().get("data", [])} <= {"anna"}
    named_twice = api("anna").post(
        f"{V1}/entitlements/check?user_id=anna",
        {"feature_code": "export", "user_id": "ben"},
        content_type="application/json",
    )
    assert named_twice.status_code in (400, 404)


def test_every_deed_names_roles_that_an_operation_lets_in() -> None:
    """What is finer than an operation stands in the same table, and names no role twice over."""
    assert all(set(row) <= set(Role) for row in DEEDS.values())
    assert Role.SUPPORT not in {**DEEDS["see in full"], **DEEDS["cancel at once"], **DEEDS["refund without a reason"]}
