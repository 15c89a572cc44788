"""Dead letters, and their way back."""

from __future__ import annotations

from datetime import timedelta
from io import StringIO

import pytest
from django.contrib.auth.models import Permission, User
from django.core.management import CommandError, call_command
from django.test import Client
from django.urls import reverse

from billing import replays, sync, webhooks
from billing.errors import StripeUnknown
from billing.models import WebhookEvent
from events import clock
from events.models import Event
from tests.buyer import Buyer
from tests.staff import log_in


def break_stripe(buyer: Buyer) -> None:
    buyer.stripe.control("faults", path="^/v1/(payment_intents|checkout)", method="GET", fault="500", times=999)


def mend_stripe(buyer: Buyer) -> None:
    buyer.stripe.http.delete("/_sandbox/faults")


def dead(buyer: Buyer) -> WebhookEvent:
    """Let one payment's events try until they are given up, without waiting for three days."""
    checkout = buyer.order()
    buyer.stripe.pay(str(checkout.stripe_id))
    buyer.stripe.deliver(work=False)
    at = clock.now()
    for _ in range(12):
        webhooks.put_off(
            WebhookEvent.objects.exclude(looks_at="").values_list("pk", flat=True), StripeUnknown("500"), at=at
        )
    return WebhookEvent.objects.filter(type="checkout.session.completed").get()


def test_an_event_is_tried_twelve_times_over_three_days_and_then_given_up(buyer: Buyer) -> None:
    """WH-03: the waits grow; Stripe fails every time."""
    checkout = buyer.order()
    buyer.stripe.pay(str(checkout.stripe_id))
    buyer.stripe.deliver(work=False)
    break_stripe(buyer)
    event = WebhookEvent.objects.get(type="checkout.session.completed")
    at, waits = clock.now(), []

    for tries in range(1, 13):
        with pytest.raises(StripeUnknown):
            sync.look(event.looks_at)
        event.refresh_from_db()
        assert event.attempts == tries
        waits.append(event.due_at - at)
        WebhookEvent.objects.filter(status="retry").update(due_at=at)

    assert event.status == "dead"
    assert event.last_error == "StripeUnknown stripe_unknown"
    assert timedelta(hours=71) < sum(waits[:-1], timedelta(0)) < timedelta(hours=73)
    assert event.looks_at not in webhooks.due(at=at + timedelta(days=30))


def test_a_dead_event_is_replayed_and_gives_what_was_paid_for(buyer: Buyer) -> None:
    """Once, twice: access once, and history says who let it be."""
    event = dead(buyer)
    assert event.status == "dead"
    assert not buyer.may().allowed

    out = StringIO()
    call_command("replay_webhooks", dead=True, reason="Stripe is back", by="olga", stdout=out)
    sync.drain()

    assert buyer.may().allowed
    assert not WebhookEvent.objects.filter(status="dead").exists()
    row = Event.objects.filter(type="webhook.replayed", subject=f"webhook:{event.stripe_id}").get()
    assert (row.actor, row.data["why"]) == ("staff:olga", "Stripe is back")
    facts = buyer.facts()
    call_command("replay_webhooks", "--since", "7d", stdout=out)
    assert buyer.facts() == facts
    assert "objects looked at" in out.getvalue()


def test_a_replay_that_fails_again_has_all_its_tries_anew(buyer: Buyer) -> None:
    """Unknown stays unknown; the sweeper goes on."""
    event = dead(buyer)
    break_stripe(buyer)

    replays.replay(event)

    event.refresh_from_db()
    assert (event.status, event.attempts) == ("retry", 1)


def test_a_dry_run_only_counts(buyer: Buyer) -> None:
    """And nothing is chosen by saying nothing."""
    dead(buyer)
    count, out = WebhookEvent.objects.filter(status="dead").count(), StringIO()
    asked = len(buyer.stripe.requests("GET", "/v1/events"))

    call_command("replay_webhooks", dead=True, dry_run=True, stdout=out)

    assert out.getvalue() == f"would replay {count} events\n"
    assert WebhookEvent.objects.filter(status="dead").count() == count
    assert len(buyer.stripe.requests("GET", "/v1/events")) == asked
    with pytest.raises(CommandError, match="Which"):
        call_command("replay_webhooks")


def test_events_are_chosen_by_id_type_time_and_death(buyer: Buyer) -> None:
    """Everything asked must fit."""
    event = dead(buyer)

    assert list(replays.chosen(id=event.stripe_id)) == [event]
    assert list(replays.chosen(type="checkout.session.completed")) == [event]
    assert set(replays.chosen(type="payment_intent.*")) == set(
        WebhookEvent.objects.filter(type__startswith="payment_intent.")
    )
    assert not replays.chosen(since=clock.now()).exists()
    assert not replays.chosen(id=event.stripe_id, type="invoice.paid").exists()
    assert set(replays.chosen(dead=True)) == set(WebhookEvent.objects.filter(status="dead"))


@pytest.mark.parametrize("may", [True, False])
def test_staff_replay_in_the_back_office_and_history_names_them(buyer: Buyer, may: bool) -> None:
    """Support and admins: who may see events may let them be looked at again; others do not see them."""
    event = dead(buyer)
    client, member = Client(), User.objects.create(username=f"olga-{may}", is_staff=True)
    if may:
        member.user_permissions.add(Permission.objects.get(codename="view_webhookevent"))
    log_in(client, member)

    answer = client.post(
        reverse("admin:billing_webhookevent_changelist"),
        {"action": "replay", "_selected_action": [event.pk], "why": "mended"},
        follow=True,
    )

    assert answer.status_code == (200 if may else 403)
    event.refresh_from_db()
    assert event.status == ("processed" if may else "dead")
    rows = Event.objects.filter(type="webhook.replayed").values_list("actor", flat=True)
    assert list(rows) == (["staff:olga-True"] if may else [])


def test_what_was_ignored_is_judged_by_the_table_of_today(buyer: Buyer) -> None:
    """A type that is named since: its stored body tells what it is about."""
    checkout = buyer.order()
    buyer.stripe.pay(str(checkout.stripe_id))
    buyer.stripe.deliver(work=False)
    WebhookEvent.objects.filter(type="checkout.session.completed").update(status="ignored", looks_at="")
    event = WebhookEvent.objects.get(type="checkout.session.completed")

    assert replays.replay(event) == checkout.stripe_id

    assert buyer.may().allowed
    event.refresh_from_db()
    assert event.status == "ignored"


def test_bodies_of_finished_events_are_emptied_after_their_time_and_the_rows_stay(buyer: Buyer) -> None:
    """A dead one keeps its body: somebody may want to know."""
    lost = dead(buyer)
    WebhookEvent.objects.exclude(pk=lost.pk).filter(status="dead").update(status="received")
    sync.drain()
    count = WebhookEvent.objects.count()
    assert webhooks.empty_bodies(before=clock.now() - timedelta(days=90)) == 0

    emptied = webhooks.empty_bodies(before=clock.now(), batch=2)

    assert emptied == WebhookEvent.objects.filter(body="").count() > 2
    assert WebhookEvent.objects.count() == count
    assert WebhookEvent.objects.exclude(body="").filter(status__in=["processed", "ignored"]).count() == 0
