"""A running account becomes ours: by reads alone, at the price that is paid, whole or not at all."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import pytest
from django.conf import LazySettings
from django.core.management import CommandError, call_command

from billing import invariants, reconcile
from billing.at_stripe.lists import Window
from billing.models import Customer, Finding, Payment, StripePrice, Subscription, ZoneCheck
from entitlements import access
from entitlements.models import Entitlement
from events import clock
from events.invariants import ALWAYS
from events.models import Event
from pricing.models import Quote
from tests.buyer import Buyer
from tests.stripe_side import StripeSide

pytestmark = pytest.mark.usefixtures("books")


def a_price(stripe: StripeSide, amount: int = 999, interval: str = "month", currency: str = "usd", **more: Any) -> str:
    made = stripe.post(
        "prices",
        **{"unit_amount": amount, "currency": currency, "recurring[interval]": interval, "product_data[name]": "Pro"},
        **more,
    )
    return str(made["id"])


def a_subscriber(stripe: StripeSide, price: str, user_id: str = "zoe", **more: Any) -> str:
    """Let somebody subscribe without us, and return the subscription's id."""
    named = {"metadata[user_id]": user_id} if user_id else {}
    customer = stripe.post("customers", email="zoe@example.com", name="Zoe", **{"address[country]": "IN"}, **named)
    method = stripe.post("payment_methods/pm_card_visa/attach", customer=customer["id"])
    stripe.post(f"customers/{customer['id']}", **{"invoice_settings[default_payment_method]": method["id"]})
    items = {"items[0][price]": price}
    return str(stripe.post("subscriptions", customer=customer["id"], **items, **more)["id"])


def adopt(*words: str) -> None:
    call_command("reconcile_stripe", "--adopt", *words)


def writes(stripe: StripeSide, since: int) -> list[str]:
    log = stripe.http.get("/_sandbox/requests").json()["data"][since:]
    return [f"{one['method']} {one['path']}" for one in log if one["method"] != "GET"]


def asked(stripe: StripeSide) -> int:
    return len(stripe.http.get("/_sandbox/requests").json()["data"])


def may(user_id: str = "zoe", feature: str = "export") -> bool:
    return access.check(user_id, feature, at=clock.now()).allowed


def test_a_running_account_is_adopted_by_reads_alone(stripe_side: StripeSide) -> None:
    """Customer, price, subscription and grants are here; Stripe was asked nothing but GETs."""
    price = a_price(stripe_side, 999, **{"metadata[plan_id]": "pro-monthly"})
    stripe_id = a_subscriber(stripe_side, price)
    before = asked(stripe_side)

    adopt()

    assert asked(stripe_side) > before
    assert writes(stripe_side, before) == []
    subscription = Subscription.objects.get(stripe_id=stripe_id)
    assert (subscription.status, subscription.version.plan_id) == ("active", "pro-monthly")
    assert subscription.customer.user_id == "zoe"
    assert subscription.customer.name == "Zoe"
    assert StripePrice.objects.get().stripe_id == price
    assert may()
    types = set(Event.objects.filter(subject="user:zoe").values_list("type", flat=True))
    assert {"customer.created", "customer.adopted", "subscription.adopted", "entitlement.created"} <= types


def test_an_adopted_subscription_keeps_its_price(stripe_side: StripeSide) -> None:
    """No zone and no list price touches what he pays: the quote says adopted."""
    a_subscriber(stripe_side, a_price(stripe_side, 777, **{"metadata[plan_id]": "pro-monthly"}))

    adopt()

    quote = Subscription.objects.get().quote
    assert (quote.amount_minor, quote.currency, quote.country_code) == (777, "usd", "IN")
    assert quote.reasons[-1]["code"] == "adopted"


def test_a_second_run_adopts_nothing_new(stripe_side: StripeSide, capsys: pytest.CaptureFixture[str]) -> None:
    """It may be repeated: not one row more, of anything."""
    a_subscriber(stripe_side, a_price(stripe_side, **{"metadata[plan_id]": "pro-monthly"}))
    adopt()
    rows = (Event, Customer, Subscription, Quote, StripePrice, Entitlement)
    before = [model._default_manager.count() for model in rows]

    adopt()

    assert [model._default_manager.count() for model in rows] == before
    assert "adopted 0 customers, 0 subscriptions; 2 known before, 0 left" in capsys.readouterr().out


def test_what_follows_at_stripe_is_ours_from_then_on(stripe_side: StripeSide) -> None:
    """Its renewal is a payment of ours, its end ends access, and the books agree."""
    stripe_id = a_subscriber(stripe_side, a_price(stripe_side, **{"metadata[plan_id]": "pro-monthly"}))
    adopt()
    subscription = Subscription.objects.get()
    stripe_side.new_events()
    customer = str(subscription.customer.stripe_id)

    stripe_side.advance(customer, to=int(subscription.current_period_end.timestamp()) + 7200)
    stripe_side.deliver()

    assert Payment.objects.filter(subscription=subscription, status="succeeded").exists()
    # What was paid before is found by the books, and healed.
    assert reconcile.run(Window(ALWAYS)).left == []
    assert Payment.objects.filter(subscription=subscription, status="succeeded").count() == 2

    stripe_side.http.delete(f"/v1/subscriptions/{stripe_id}").raise_for_status()
    stripe_side.deliver()

    subscription.refresh_from_db()
    assert subscription.status == "canceled"
    assert set(Entitlement.objects.values_list("status", flat=True)) == {"canceled"}


@pytest.mark.parametrize("how", ["lookup_key", "metadata", "word", "file"])
def test_a_price_says_its_plan_in_four_ways(stripe_side: StripeSide, how: str, tmp_path: Path) -> None:
    """Our lookup key, its metadata, or what the operator says, by word or file."""
    said = {
        "lookup_key": {"lookup_key": "plan:pro-monthly:v1:month:usd:999"},
        "metadata": {"metadata[plan_id]": "pro-monthly"},
    }
    price = a_price(stripe_side, **said.get(how, {}))
    a_subscriber(stripe_side, price)
    file = tmp_path / "prices.toml"
    file.write_text(f'[prices]\n{price} = "pro-monthly"\n')

    adopt(*{"word": ["--map", f"{price}=pro-monthly"], "file": ["--map", str(file)]}.get(how, []))

    assert Subscription.objects.get().version.plan_id == "pro-monthly"


@pytest.mark.parametrize(
    ("price", "subscriber", "words", "why"),
    [
        ({}, {}, (), "names no plan of ours"),
        ({"metadata[plan_id]": "nothing-like-it"}, {}, (), "names no plan of ours"),
        ({"metadata[plan_id]": "pro-monthly", "interval": "year"}, {}, (), "bills 1 year"),
        ({"metadata[plan_id]": "pro-monthly", "recurring[interval_count]": 3}, {}, (), "bills 3 month"),
        ({"metadata[plan_id]": "pro-monthly"}, {"user_id": ""}, (), "no user"),
        ({"metadata[plan_id]": "pro-monthly"}, {"items[0][quantity]": 0}, (), "bills none of a price"),
        ({"metadata[plan_id]": "pro-monthly"}, {}, ("--user-id-from", "metadata.account"), "metadata.account is empty"),
    ],
)
def test_what_cannot_be_adopted_is_listed_and_leaves_nothing_half_made(
    stripe_side: StripeSide,
    capsys: pytest.CaptureFixture[str],
    price: dict[str, Any],
    subscriber: dict[str, Any],
    words: tuple[str, ...],
    why: str,
) -> None:
    """With the reason and exit code 1; no quote, no price, no grant."""
    a_subscriber(stripe_side, a_price(stripe_side, **price), **subscriber)

    with pytest.raises(CommandError, match="left as they are"):
        adopt("--json", *words)

    assert why in capsys.readouterr().out
    for model in (Subscription, Quote, StripePrice, Entitlement):
        assert not model._default_manager.exists()


@pytest.mark.parametrize(("place", "user_id"), [("email", "zoe@example.com"), ("metadata.account", "42")])
def test_the_user_is_named_where_the_operator_says(stripe_side: StripeSide, place: str, user_id: str) -> None:
    """`--user-id-from`."""
    stripe_id = a_subscriber(stripe_side, a_price(stripe_side, **{"metadata[plan_id]": "pro-monthly"}), user_id="")
    customer = stripe_side.get(f"subscriptions/{stripe_id}")["customer"]
    stripe_side.post(f"customers/{customer}", **{"metadata[account]": "42"})

    adopt("--user-id-from", place)

    assert Customer.objects.get().user_id == user_id


def test_a_dry_run_shows_and_writes_nothing(stripe_side: StripeSide, capsys: pytest.CaptureFixture[str]) -> None:
    """A table for people."""
    stripe_id = a_subscriber(stripe_side, a_price(stripe_side, **{"metadata[plan_id]": "pro-monthly"}))

    adopt("--dry-run")

    assert not Customer.objects.exists()
    shown = capsys.readouterr().out
    assert stripe_id in shown
    assert "would adopt 1 customers, 1 subscriptions; 0 known before, 0 left" in shown


def test_a_user_who_bought_here_keeps_his_customer(buyer: Buyer, capsys: pytest.CaptureFixture[str]) -> None:
    """Two customers of one user: the second is listed, and nothing of the first changes."""
    mine = buyer.subscribe()
    a_subscriber(buyer.stripe, a_price(buyer.stripe, **{"metadata[plan_id]": "pro-monthly"}), user_id="anna")

    with pytest.raises(CommandError, match="2 left"):
        adopt("--json")

    assert "anna has the customer" in capsys.readouterr().out
    assert Subscription.objects.get() == mine


def test_a_second_live_subscription_is_adopted_as_a_duplicate(stripe_side: StripeSide) -> None:
    """He pays for both: a person must look."""
    price = a_price(stripe_side, **{"metadata[plan_id]": "pro-monthly"})
    customer = stripe_side.get(f"subscriptions/{a_subscriber(stripe_side, price)}")["customer"]
    stripe_side.post("subscriptions", customer=customer, **{"items[0][price]": price})

    adopt()

    assert sorted(Subscription.objects.values_list("duplicate", flat=True)) == [False, True]
    assert Finding.objects.get().kind == "second_subscription"
    assert invariants.broken() == {}


@pytest.mark.parametrize("word", ["price_1", "=pro", "/nowhere.toml"])
def test_a_map_that_cannot_be_read_is_refused(word: str) -> None:
    """Before anything is asked of Stripe."""
    with pytest.raises(CommandError, match="argument --map"):
        adopt("--map", word)


def test_quantities_and_items_are_adopted_as_they_are_billed(stripe_side: StripeSide) -> None:
    """PL-11: three seats and what stands beside them, each at its price; its renewal changes nothing."""
    seats = a_price(stripe_side, 500, **{"metadata[plan_id]": "basic-monthly"})
    beside = a_price(stripe_side, 900, **{"metadata[plan_id]": "pro-monthly"})
    a_subscriber(stripe_side, seats, **{"items[0][quantity]": 3, "items[1][price]": beside})

    adopt()

    subscription = Subscription.objects.get()
    assert (subscription.version.plan_id, subscription.quantity) == ("basic-monthly", 3)
    billed = subscription.items.order_by("-main").values_list("version__plan_id", "quantity", "quote__amount_minor")
    assert list(billed) == [("basic-monthly", 3, 500), ("pro-monthly", 1, 900)]
    assert may(feature="reports")
    assert reconcile.compare(Window(ALWAYS), kinds=["subscriptions"]).differences == []
    customer = str(subscription.customer.stripe_id)
    stripe_side.advance(customer, to=int(subscription.current_period_end.timestamp()) + 7200)
    stripe_side.deliver()
    assert Payment.objects.latest("paid_at").captured_minor == 3 * 500 + 900
    assert not Finding.objects.exists()


def test_a_user_with_a_customer_for_each_currency_keeps_both(stripe_side: StripeSide) -> None:
    """Stripe keeps a customer to one currency; the account before has made a second one, too."""
    named = {"metadata[plan_id]": "pro-monthly"}
    first, second = (a_subscriber(stripe_side, a_price(stripe_side, currency=code, **named)) for code in ("usd", "eur"))

    adopt()

    owner = Customer.objects.get()
    paying = {stripe_side.get(f"subscriptions/{one}")["customer"] for one in (first, second)}
    assert set(owner.stripe_customers.values_list("currency", flat=True)) == {"usd", "eur"}
    assert set(owner.stripe_customers.values_list("stripe_id", flat=True)) == paying
    assert Subscription.objects.filter(customer=owner).count() == 2
    adopt()
    assert Subscription.objects.count() == 2


def test_nobody_who_is_adopted_must_earn_his_zone(stripe_side: StripeSide, settings: LazySettings) -> None:
    """He claimed no country here: his price is the one he pays, whatever the policy does to claims."""
    settings.ZONE_POLICY = {"dearer": "refund_and_cancel", "no_card_country": "refund_and_cancel"}
    a_subscriber(stripe_side, a_price(stripe_side, 300, **{"metadata[plan_id]": "pro-monthly"}))
    adopt()
    subscription = Subscription.objects.get()
    customer = str(subscription.customer.stripe_id)

    stripe_side.advance(customer, to=int(subscription.current_period_end.timestamp()) + 7200)
    stripe_side.deliver()

    assert Payment.objects.filter(subscription=subscription, captured_minor=300).count() == 2
    assert not ZoneCheck.objects.exists()
