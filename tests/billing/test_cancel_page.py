"""Staff end a subscription on a page that asks why: with its period, or at once."""

from __future__ import annotations

import pytest
from django.contrib.auth.models import Permission, User
from django.test import Client
from django.urls import reverse

from billing.models import Subscription
from events.models import Event
from tests.buyer import Buyer
from tests.staff import log_in


@pytest.fixture
def staff(books: None) -> Client:
    return log_in(Client(), User.objects.get_or_create(username="root", is_staff=True, is_superuser=True)[0])


def page(subscription: Subscription, verb: str) -> str:
    return reverse(f"admin:billing_subscription_{verb}", args=[subscription.pk])


def test_staff_cancel_with_the_period_that_is_paid(staff: Client, buyer: Buyer) -> None:
    """SU-05: access stays until then; without a reason nothing happens."""
    subscription = buyer.subscribe()

    shown = staff.get(page(subscription, "cancel")).content.decode()
    silent = staff.post(page(subscription, "cancel"), {"why": ""})
    done = staff.post(page(subscription, "cancel"), {"why": "asked for by phone"})

    subscription.refresh_from_db()
    assert f"ends on {subscription.current_period_end:%Y-%m-%d %H:%M} UTC" in shown
    assert (silent.status_code, done.status_code) == (200, 302)
    assert (subscription.status, subscription.cancel_at) == ("active", subscription.current_period_end)
    assert buyer.may("export").allowed
    told = Event.objects.get(type="subscription.cancel_scheduled")
    assert (told.actor, told.data["why"]) == ("staff:root", "asked for by phone")


def test_staff_cancel_at_once_and_only_what_runs(staff: Client, buyer: Buyer) -> None:
    subscription = buyer.subscribe()

    done = staff.post(page(subscription, "cancel_now"), {"why": "a duplicate"})
    again = staff.post(page(subscription, "cancel_now"), {"why": "once more"})

    subscription.refresh_from_db()
    assert (done.status_code, again.status_code, subscription.status) == (302, 403, "canceled")
    assert not buyer.may("export").allowed


def test_who_may_change_does_not_end_at_once(buyer: Buyer) -> None:
    """Looking is not cancelling, and cancelling with the period is not cancelling at once."""
    subscription = buyer.subscribe()
    clerk = User.objects.get_or_create(username="clerk", is_staff=True)[0]
    refused = log_in(Client(), clerk).post(page(subscription, "cancel"), {"why": "please"})
    clerk.user_permissions.add(
        Permission.objects.get(codename="change_subscription", content_type__app_label="billing")
    )
    may = log_in(Client(), User.objects.get(pk=clerk.pk))

    at_once = may.post(page(subscription, "cancel_now"), {"why": "please"})
    with_period = may.post(page(subscription, "cancel"), {"why": "please"})

    assert [answer.status_code for answer in (refused, at_once, with_period)] == [403, 403, 302]
