"""dj-stripe's tables hold what Stripe told us, for staff: written without a single call of dj-stripe's own."""

from __future__ import annotations

from importlib import import_module

import pytest
from django.apps import apps
from django.db import connection
from django.test.utils import CaptureQueriesContext

from billing import mirror, redaction
from billing.gathering import Gathering
from tests.buyer import Buyer


def mirrored(name: str) -> list:
    return list(apps.get_model("djstripe", name).objects.all())


def test_a_purchase_is_mirrored_with_its_references(buyer: Buyer) -> None:
    """Session, intent and charge, each to its table, referring to each other by Stripe's ids."""
    buyer.buy()

    (intent,) = mirrored("PaymentIntent")
    (charge,) = mirrored("Charge")
    assert intent.id == buyer.payment.stripe_id
    assert intent.stripe_data["status"] == "succeeded"
    assert charge.payment_intent_id == intent.id
    assert mirrored("Session")[0].stripe_data["payment_status"] == "paid"


def test_a_subscription_is_mirrored_when_its_customer_is(buyer: Buyer) -> None:
    """A row that must refer to another comes with it or later, never half."""
    subscription = buyer.subscribe()

    (row,) = mirrored("Subscription")
    assert row.id == subscription.stripe_id
    assert row.customer_id == buyer.customer.stripe_id


def test_each_kind_of_object_is_written_in_one_statement(buyer: Buyer) -> None:
    """However often an object stands in others."""
    found = list(Gathering().gather(buyer.subscribe().stripe_id))

    with CaptureQueriesContext(connection) as asked:
        mirror.keep(found)

    written = [query["sql"].split('"')[1] for query in asked if query["sql"].startswith("INSERT")]
    assert {"djstripe_customer", "djstripe_subscription", "djstripe_invoice", "djstripe_charge"} <= set(written)
    assert len(written) == len(set(written))


def test_the_mirror_asks_stripe_for_nothing(buyer: Buyer) -> None:
    """Every request that Stripe saw was ours: one fetch an object."""
    buyer.buy()
    before = buyer.stripe.http.get("/_sandbox/requests").json()["last"]
    found = buyer.stripe.get("payment_intents")["data"]
    between = buyer.stripe.http.get("/_sandbox/requests").json()["last"]

    mirror.keep(found)

    assert buyer.stripe.http.get("/_sandbox/requests").json()["last"] == between == before + 1


def test_dj_stripe_keeps_no_key_and_no_webhook_door() -> None:
    """Its secrets table stays empty, and its own view, which stores unverified bodies, is not mounted."""
    from django.urls import NoReverseMatch, reverse

    with pytest.raises(NoReverseMatch):
        reverse("djstripe:djstripe_webhook_by_uuid", args=["x"])


def test_dj_stripe_holds_no_secret_after_a_purchase(buyer: Buyer) -> None:
    """Only gateway.py knows the key."""
    from djstripe.settings import djstripe_settings

    buyer.buy()

    assert not mirrored("APIKey")
    assert not djstripe_settings.STRIPE_SECRET_KEY


PERSON = {
    "id": "ch_1",
    "object": "charge",
    "amount": 1200,
    "currency": "usd",
    "status": "succeeded",
    "customer": "cus_1",
    "receipt_email": "anna@example.com",
    "receipt_url": "https://pay.example/secret",
    "description": "for Anna",
    "failure_code": "anna@example.com",
    "a_field_of_tomorrow": "Anna",
    "billing_details": {"email": "anna@example.com", "name": "Anna", "address": {"line1": "1 Anna Road"}},
    "payment_method_details": {"type": "card", "card": {"brand": "visa", "fingerprint": "Anna1", "last4": "4242"}},
    "metadata": {"checkout_id": "1", "note": "Anna"},
    "refunds": {"object": "list", "data": [{"id": "re_1", "object": "refund", "amount": 5, "destination": "Anna"}]},
}


def test_no_person_no_door_and_nothing_unknown_is_mirrored() -> None:
    """An allow-list of texts: what Stripe adds tomorrow stays out; ids, kinds and numbers stay."""
    kept = redaction.redacted(PERSON)

    assert "anna" not in str(kept).lower()
    assert "secret" not in str(kept)
    assert (kept["amount"], kept["currency"], kept["status"], kept["customer"]) == (1200, "usd", "succeeded", "cus_1")
    assert kept["payment_method_details"]["card"] == {"brand": "visa", "fingerprint": None, "last4": None}
    assert kept["metadata"] == {"checkout_id": "1"}
    assert kept["refunds"]["data"][0]["id"] == "re_1"
    assert redaction.redacted(kept) == kept


def test_what_an_older_release_mirrored_is_redacted_by_the_migration(buyer: Buyer) -> None:
    buyer.buy()
    charges = apps.get_model("djstripe", "Charge").objects
    charges.update(stripe_data=PERSON)

    import_module("billing.migrations.0005_seal_what_was_plain").redact_mirror(apps, None)

    assert charges.get().stripe_data == redaction.redacted(PERSON)


def test_what_the_mirror_cannot_hold_does_not_hold_up_access(buyer: Buyer) -> None:
    """The copy is for staff; the money and the access are not."""
    with connection.cursor() as cursor:
        cursor.execute("ALTER TABLE djstripe_charge RENAME TO djstripe_charge_away")
    try:
        buyer.buy()
    finally:
        with connection.cursor() as cursor:
            cursor.execute("ALTER TABLE djstripe_charge_away RENAME TO djstripe_charge")

    assert buyer.may().allowed
