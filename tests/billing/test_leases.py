"""A lease is short: who is frozen or gone holds an object up for seconds, and who lives keeps it."""

from __future__ import annotations

import os
import signal
import subprocess
import sys
import time
from collections.abc import Callable
from pathlib import Path

import pytest
from django.conf import LazySettings
from django.db import connection

from billing import leases, sync
from billing.models import Checkout, Lease
from events import clock
from tests.buyer import Buyer

LOOK = """
import django; django.setup()
from django.db import connection
connection.settings_dict["NAME"] = {name!r}
from billing import leases, sync
from billing.gathering import Gathering
held = leases.take({id!r})
with leases.kept(held):
    print("held", flush=True)
    input()
    found = list(Gathering().gather({id!r}))
    print("fetched", flush=True)
    input()
    try:
        sync._write(held, found, [], sync.clock.now())
    except leases.LeaseLost:
        print("lost", flush=True)
    else:
        print("written", flush=True)
"""


def until(holds: Callable[[], bool], seconds: float = 30) -> None:
    end = time.monotonic() + seconds
    while not holds():
        assert time.monotonic() < end


def time_passes(stripe_id: str) -> None:
    """Let the lease's time be over."""
    with connection.cursor() as cursor:
        cursor.execute("UPDATE billing_lease SET held_until = clock_timestamp() WHERE stripe_id = %s", [stripe_id])


@pytest.fixture
def looker(settings: LazySettings, buyer: Buyer) -> Callable[[str], subprocess.Popen[str]]:
    """Start a process that takes the lease, fetches and writes, each when it is told to."""

    def start(stripe_id: str) -> subprocess.Popen[str]:
        words = LOOK.format(id=stripe_id, name=connection.settings_dict["NAME"])
        environment = {**os.environ, "STRIPE_API_BASE": settings.STRIPE_API_BASE, "PYTHONUNBUFFERED": "1"}
        environment["DJANGO_SETTINGS_MODULE"] = "config.settings"
        root = Path(__file__).resolve().parents[2]
        pipe = subprocess.PIPE
        return subprocess.Popen(
            [sys.executable, "-c", words], stdin=pipe, stdout=pipe, text=True, env=environment, cwd=root
        )

    return start


def said(process: subprocess.Popen[str]) -> str:
    assert process.stdout
    return process.stdout.readline().strip()


def told(process: subprocess.Popen[str]) -> None:
    assert process.stdin
    process.stdin.write("\n")
    process.stdin.flush()


def test_a_frozen_worker_delays_its_object_by_seconds_and_writes_nothing_when_it_wakes(
    buyer: Buyer, looker: Callable[[str], subprocess.Popen[str]]
) -> None:
    """A real process, stopped (SIGSTOP) between fetching and writing: another takes over after the lease's 15 s."""
    checkout = buyer.order()
    stripe_id = str(checkout.stripe_id)
    with looker(stripe_id) as frozen:
        try:
            assert said(frozen) == "held"
            told(frozen)
            assert said(frozen) == "fetched"
            buyer.stripe.pay(stripe_id)
            buyer.stripe.deliver(work=False)
            os.kill(frozen.pid, signal.SIGSTOP)

            assert not sync.look(stripe_id)
            left = Lease.objects.get(pk=stripe_id).held_until
            assert left
            assert (left - clock.now()).total_seconds() <= leases.SECONDS == 15
            time_passes(stripe_id)
            assert sync.look(stripe_id)
            os.kill(frozen.pid, signal.SIGCONT)
            told(frozen)

            assert said(frozen) == "lost"
        finally:
            frozen.kill()
    checkout = Checkout.objects.get(pk=checkout.pk)
    assert checkout.status == "complete"
    assert buyer.payment.status == "succeeded"


def test_who_lives_keeps_his_lease_however_slow_stripe_is(buyer: Buyer) -> None:
    """A short lease is prolonged while its holder works."""
    checkout = buyer.order()
    held = leases.take(str(checkout.stripe_id))
    assert held
    first = Lease.objects.get(pk=held.stripe_id).held_until
    assert first

    with leases.kept(held, seconds=4.5):
        until(lambda: Lease.objects.get(pk=held.stripe_id).held_until not in (None, first))
        time_passes(held.stripe_id)
        until(lambda: (Lease.objects.get(pk=held.stripe_id).held_until or first) > clock.now())
        assert leases.take(held.stripe_id) is None
        leases.release(held)

    assert Lease.objects.get(pk=held.stripe_id).held_until is None


def test_who_lives_and_never_ends_is_not_kept_for_ever(buyer: Buyer) -> None:
    """After its longest time a lease is prolonged no more."""
    checkout = buyer.order()
    held = leases.take(str(checkout.stripe_id))
    assert held

    with leases.kept(held, seconds=0.03, at_most=0.05):
        until(lambda: leases.take(held.stripe_id) is not None)


def test_a_lease_given_back_is_not_taken_up_again_by_who_prolongs(buyer: Buyer) -> None:
    """The twin thread may be a moment late."""
    checkout = buyer.order()
    held = leases.take(str(checkout.stripe_id))
    assert held
    leases.release(held)

    leases._prolong_once(held, 15)

    assert leases.take(str(checkout.stripe_id))
