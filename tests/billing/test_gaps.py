"""What Stripe told while nobody heard is found in its list of events: nothing is skipped, nothing is stored twice."""

from __future__ import annotations

from datetime import timedelta

import pytest
from django.core.management import call_command

from billing import gaps, leases, sync
from billing.errors import StripeUnknown
from billing.models import Reading, WebhookEvent
from events import clock
from tests.buyer import Buyer
from tests.stripe_side import work_off


def at_stripe(buyer: Buyer) -> set[str]:
    found: list[str] = []
    while True:
        after = {"starting_after": found[-1]} if found else {}
        page = buyer.stripe.get("events", limit=100, **after)
        found += [event["id"] for event in page["data"]]
        if not page["has_more"]:
            return set(found)


def here() -> set[str]:
    return set(WebhookEvent.objects.values_list("stripe_id", flat=True))


def test_events_that_were_never_delivered_are_found_and_give_access(buyer: Buyer) -> None:
    """WH-03, WH-04: the sandbox drops every event; the buyer has paid, and gets what he paid for."""
    gaps.fill()
    checkout = buyer.order()
    buyer.stripe.pay(str(checkout.stripe_id))
    assert not here()

    filled = gaps.fill()

    assert here() == at_stripe(buyer)
    assert filled == len(here())
    assert not WebhookEvent.objects.filter(filled=False).exists()
    work_off()
    assert buyer.may().allowed


def test_what_was_delivered_is_not_stored_again_and_what_is_filled_is_a_duplicate_when_it_comes(buyer: Buyer) -> None:
    """Once, twice, out of order."""
    buyer.subscribe()
    assert gaps.fill() == 0
    before = buyer.facts()
    late = buyer.order("premium-plan")
    buyer.stripe.pay(str(late.stripe_id))
    gaps.fill()
    work_off()
    known = buyer.facts()

    buyer.stripe.deliver()

    assert gaps.fill() == 0
    assert buyer.facts() == known != before


def test_the_list_is_read_to_its_end(buyer: Buyer) -> None:
    """More than one page of a hundred."""
    buyer.stripe.deliver()
    gaps.fill()
    customer = buyer.stripe.post("customers")["id"]
    for number in range(230):
        buyer.stripe.post(f"customers/{customer}", description=str(number))

    gaps.fill()

    assert here() == at_stripe(buyer)


def test_a_fill_that_dies_half_way_skips_nothing(buyer: Buyer) -> None:
    """The mark moves last: Stripe answers the first page of three and then no more."""
    gaps.fill()
    customer = buyer.stripe.post("customers")["id"]
    for number in range(230):
        buyer.stripe.post(f"customers/{customer}", description=str(number))
    mark = Reading.objects.get().until
    buyer.stripe.control("faults", path="^/v1/events$", method="GET", fault="500", times=99, after=1)

    with pytest.raises(StripeUnknown):
        gaps.fill()

    assert Reading.objects.get().until == mark
    buyer.stripe.http.delete("/_sandbox/faults")
    gaps.fill()
    assert here() == at_stripe(buyer)


def test_the_mark_never_runs_ahead_of_the_clock(buyer: Buyer) -> None:
    """A test clock of Stripe's may be a year ahead: its events must not hide everybody else's."""
    subscription = buyer.subscribe()
    buyer.stripe.advance(str(buyer.customer.stripe_id), to=int((clock.now() + timedelta(days=40)).timestamp()))
    gaps.fill()
    assert Reading.objects.get().until <= clock.now()

    buyer.stripe.post("customers", description="of today")
    gaps.fill()

    assert here() == at_stripe(buyer)
    assert subscription.stripe_id


def test_two_fills_do_not_run_side_by_side(buyer: Buyer) -> None:
    """The sweeper's and the worker's may meet."""
    held = leases.take(gaps.NAME)
    assert held
    buyer.stripe.post("customers")

    assert gaps.fill() == 0

    leases.release(held)
    assert not here()


def test_stripe_away_is_no_error_of_the_sweeper(buyer: Buyer) -> None:
    """The next one begins where this one did."""
    buyer.stripe.control("faults", path="^/v1/events$", method="GET", fault="500", times=99)

    assert gaps.try_fill() == 0

    assert not Reading.objects.exists()
    call_command("sweep", once=True)
    assert sync.sweep() == 0
