"""A person may read what we hold of him, and have it erased; the ledger and the history stay."""

from __future__ import annotations

import io
import json
from typing import Any

import pytest
from django.apps import apps
from django.core.management import CommandError, call_command

import entitlements.persons
from billing import customers, persons, sync
from billing.models import Checkout, WebhookEvent
from entitlements.models import Entitlement
from events import clock
from events.models import Event, Mail, Salt
from tests.buyer import Buyer
from vault import rows

# Rows of nobody: what is sold, where, and what was compared.
IMPERSONAL = {
    *("Lease", "StripePrice", "Finding", "Seal", "ZoneImport", "PolicyRule", "Reading"),
    *("Zone", "Country", "Feature", "Plan", "PlanVersion", "PlanFeature", "PriceOverride"),
}
APPS = ("billing", "entitlements", "pricing", "events")


def exported(user_id: str) -> dict[str, Any]:
    out = io.StringIO()
    call_command("export_person", user=user_id, stdout=out)
    found: dict[str, Any] = json.loads(out.getvalue())
    return found


def erase(buyer: Buyer, **asked: Any) -> str:
    out = io.StringIO()
    call_command("erase_person", user=buyer.user_id, reason="ticket 7", stdout=out, **asked)
    return out.getvalue()


def test_every_model_is_either_a_person_s_or_known_to_be_nobody_s() -> None:
    """A model yet to come must be put on one side before it can leave somebody out."""
    ours = {model for app in APPS for model in apps.get_app_config(app).get_models()}
    reached = {*persons.OWNED, WebhookEvent, Event, Mail, Salt, *rows.owned("entitlements"), *rows.owned("pricing")}
    reached |= {*entitlements.persons.not_by_column("anna")}

    assert {model.__name__ for model in ours - reached} <= IMPERSONAL


def test_a_person_reads_all_that_is_held_of_him_and_nothing_of_others(buyer: Buyer) -> None:
    buyer.buy()
    Buyer(buyer.stripe, "ben").buy()

    found = exported("anna")

    (customer,) = found["billing_customer"]
    assert customer["email"] == "anna@example.com"
    assert {len(found[name]) for name in ("billing_checkout", "billing_payment", "djstripe_paymentintent")} == {1}
    assert found["entitlements_entitlement"]
    assert found["events_event"]
    assert all(customer["stripe_id"] in event["body"] for event in found["billing_webhookevent"])
    assert "ben" not in json.dumps(found["billing_webhookevent"]) + json.dumps(found["events_event"])
    assert buyer.history()[-1] == "person.exported"


def test_what_names_a_person_is_erased_and_the_ledger_stays(buyer: Buyer) -> None:
    checkout = buyer.buy()
    before = exported("anna")
    history = buyer.history()
    Entitlement.objects.update(metadata={"note": "Anna Aal"})

    said = erase(buyer)

    assert f"delete customer {buyer.customer.stripe_id} there" in said
    after = persons.export("anna", at=clock.now())
    assert "anna@example.com" not in json.dumps(after, default=str)
    assert "Anna Aal" not in json.dumps(after, default=str)
    assert not after["billing_webhookevent"]
    assert not customers.with_email("anna@example.com")
    assert Checkout.objects.get(pk=checkout.pk).success_url == ""
    assert (buyer.payment.amount_minor, buyer.payment.status) == (1200, "succeeded")
    assert len(after["billing_payment"]) == len(before["billing_payment"]) == 1
    assert buyer.history()[: len(history) + 1] == [*history, "person.erased"]
    assert buyer.may().allowed


def test_another_person_s_values_stay(buyer: Buyer) -> None:
    buyer.buy()
    ben = Buyer(buyer.stripe, "ben")
    ben.buy()

    erase(buyer)

    assert ben.customer.email == "anna@example.com"
    assert WebhookEvent.objects.exclude(body="").exists()


def test_a_dry_run_counts_and_changes_nothing(buyer: Buyer) -> None:
    buyer.buy()

    said = erase(buyer, dry_run=True)

    assert "would erase: 1 customers" in said
    assert buyer.customer.email == "anna@example.com"
    assert "person.erased" not in buyer.history()


def test_erasing_may_be_repeated_and_a_later_look_brings_nothing_back(buyer: Buyer) -> None:
    """Stripe still has its own copy until the operator has it deleted there."""
    checkout = buyer.buy()
    erase(buyer)
    erase(buyer)

    sync.look(str(checkout.stripe_id))

    assert (buyer.customer.email, buyer.customer.name) == ("", "")


def test_who_still_subscribes_is_not_erased(buyer: Buyer) -> None:
    """Who owes must have a name."""
    buyer.subscribe()

    with pytest.raises(CommandError, match="runs"):
        erase(buyer)

    assert buyer.customer.email == "anna@example.com"


def test_a_user_that_nobody_knows_is_exported_and_erased_as_empty(books: None) -> None:
    """He asked: the answer is that there is nothing."""
    found = persons.export("nobody", at=clock.now())
    erased = persons.erase("nobody", reason="ticket 8", at=clock.now())

    assert not [name for name, held in found.items() if held and name not in ("user_id", "exported_at")]
    assert set(erased.values()) == {0}
