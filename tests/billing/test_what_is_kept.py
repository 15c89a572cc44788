"""What the tables hold of a purchase: integers of minor units, Stripe's ids, and never a card."""

from __future__ import annotations

from django.db import connection

from billing.models import Payment, Subscription
from billing.prices import lookup_key_of
from events.models import Event
from tests.buyer import Buyer
from tests.stripe_side import GOOD_CARD

OURS = ("billing_%", "pricing_%", "entitlements_%", "events_%")


def columns() -> list[tuple[str, str, str]]:
    """Return every column of every table: table, column, type."""
    with connection.cursor() as cursor:
        cursor.execute(
            "SELECT table_name, column_name, data_type FROM information_schema.columns WHERE table_schema = 'public'"
        )
        return cursor.fetchall()


def test_amounts_are_big_integers_of_minor_units(buyer: Buyer) -> None:
    """PA-11, rulings 3 and 4: no float, no decimal, no "cents"."""
    ours = [each for each in columns() if any(each[0].startswith(name.rstrip("%")) for name in OURS)]

    assert not [each for each in ours if each[2] in {"real", "double precision"}]
    assert not [each for each in ours if "cents" in each[1]]
    money = [each for each in ours if each[1].endswith("_minor")]
    assert len(money) >= 8
    assert {each[2] for each in money} == {"bigint"}


def test_times_know_their_zone(buyer: Buyer) -> None:
    """Ruling 24: timestamptz everywhere."""
    assert not [each for each in columns() if each[2] == "timestamp without time zone"]


def test_no_card_number_is_kept_anywhere(buyer: Buyer) -> None:
    """CO-04, PM-05, SE-07: the buyer types it on Stripe's page; we see Stripe's ids only."""
    buyer.buy()
    texts = [each for each in columns() if each[2] in {"text", "character varying", "jsonb"}]
    assert len(texts) > 200

    with connection.cursor() as cursor:
        for table, column, _ in texts:
            cursor.execute(f'SELECT count(*) FROM "{table}" WHERE "{column}"::text LIKE %s', [f"%{GOOD_CARD}%"])
            assert cursor.fetchone() == (0,), (table, column)

    assert buyer.payment.stripe_payment_method_id.startswith("pm_")
    assert buyer.payment.card_country == "US"


def test_a_plan_version_has_a_price_at_stripe(buyer: Buyer) -> None:
    """PL-05: the reference `price_...` is ours to find by its lookup key."""
    checkout = buyer.order("pro-monthly", "DE")

    (price,) = buyer.stripe.get("prices", **{"lookup_keys[]": lookup_key_of(checkout.quote)})["data"]

    assert price["id"].startswith("price_")
    assert (price["recurring"]["interval"], price["unit_amount"]) == ("month", 1999)


def test_every_change_of_money_and_access_is_told(buyer: Buyer) -> None:
    """EV-02, EV-03, EV-04, SU-10, AU-01: by the names that listeners of the services before know."""
    buyer.buy()
    buyer.subscribe()

    told = set(Event.objects.values_list("type", flat=True))

    assert {
        "checkout.session.created",
        "checkout.session.completed",
        "payment.created",
        "payment.completed",
        "subscription.created",
        "subscription.active",
        "entitlement.created",
    } <= told
    granted = Event.objects.filter(type="entitlement.created").first()
    assert granted
    assert {"feature_code", "plan_id"} <= set(granted.data)


def test_the_locked_price_stays_with_the_subscription(buyer: Buyer) -> None:
    """SU-09, domain-rules 2.5: version and quote (zone, country, multiplier, amount) are kept with it."""
    subscription = buyer.subscribe(country="IN")

    stored = Subscription.objects.select_related("quote", "version").get(pk=subscription.pk)
    assert (stored.quote.zone_code, stored.quote.amount_minor, stored.version.number) == ("C", 800, 1)
    assert Payment.objects.get(subscription=stored).amount_minor == 800
