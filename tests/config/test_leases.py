"""What is taken of a quota in advance is spent: all processes together never pass it; who asks rarely wastes none."""

from __future__ import annotations

import threading
import time
from collections.abc import Iterator
from concurrent.futures import ThreadPoolExecutor
from uuid import uuid4

import pytest
from django.conf import LazySettings, settings

from config.api import leases, limiting
from config.api.leases import Lease, Leases, Spent
from tests.shown import Shown

QUOTA, THREADS, PROCESSES, TRIES = 600, 16, 4, 4000


@pytest.fixture(autouse=True)
def limited(settings: LazySettings) -> Iterator[None]:
    """Count under names that no other test has counted."""
    settings.APP_NAME = f"farebox-{uuid4().hex}"
    settings.RATE_LIMITS = {"default": QUOTA}
    limiting._shared.cache_clear()
    yield
    limiting._shared.cache_clear()


def together(held: list[Lease]) -> list[bool]:
    """Let threads spend from the leases of several processes at once, in one way and the other."""
    ready = threading.Barrier(THREADS)

    def spend(number: int) -> list[bool]:
        ready.wait()
        lease, tries = held[number % len(held)], range(TRIES // THREADS)
        if number < THREADS // 2:
            return [lease.spend().allowed for _ in tries]
        return [lease.told(time.monotonic()) is not None for _ in tries]

    with ThreadPoolExecutor(THREADS) as pool:
        return [each for some in pool.map(spend, range(THREADS)) for each in some]


def test_four_processes_together_never_pass_the_quota(shown: Shown) -> None:
    """They take from one count in Valkey; what is held and not used is lost, and never more than a tenth each."""
    held = [Leases(limiting.spend).of("default", "service:shop") for _ in range(PROCESSES)]
    for lease in held:
        # As after a second in which each was asked a lot.
        lease._before, lease._second = 80, int(time.monotonic())

    passed = together(held).count(True)

    assert QUOTA * (1 - PROCESSES / leases.LARGEST_SHARE) <= passed <= QUOTA
    shown(f"{TRIES} checks by {THREADS} threads of {PROCESSES} processes at a quota of {QUOTA}: {passed} passed")


class Generous(Lease):
    """A lease that takes what it holds again and again: nobody counts it."""

    def _more(self, now: float) -> None:
        self._taken = Spent("default", QUOTA, True, 0, 60)
        self._hand = leases.hand_of(self._taken, 100, now + 1)


def test_without_the_count_more_pass(shown: Shown) -> None:
    """The twin: each process believes itself."""
    held: list[Lease] = [Generous("default", "service:shop", limiting.spend) for _ in range(PROCESSES)]

    passed = together(held).count(True)

    assert passed > QUOTA
    shown(f"the same, with leases that nobody counts: {passed} passed")


def taken_by(sizes: list[int], *, quota: int = 6000) -> Lease:
    def take(policy: str, _who: str, cost: int) -> Spent:
        sizes.append(cost)
        return Spent(policy, quota, True, quota - sum(sizes), 60)

    return Lease("default", "user:anna", take)


def test_what_is_told_is_what_is_left() -> None:
    """In the same words as by the view; and nothing when there is none."""
    sizes: list[int] = []
    lease, spent = taken_by(sizes), taken_by([]).spend()

    assert lease.told(time.monotonic()) == limiting.told(spent.policy, spent.remaining, spent.reset)
    assert Lease("p", "x", lambda policy, _who, _cost: Spent(policy, 6, False, 0, 3)).told(time.monotonic()) is None


def test_who_asks_now_and_then_takes_one_at_a_time() -> None:
    """A burst of some, and nothing is held that would be lost."""
    sizes: list[int] = []
    lease = taken_by(sizes)

    told = [lease.told(100.0) for _ in range(5)]

    assert sizes == [1] * 5
    assert told == [limiting.told("default", left, 60) for left in (5999, 5998, 5997, 5996, 5995)]


def test_who_has_asked_a_lot_takes_half_of_it_at_once() -> None:
    """And each answer tells what remains after it, not after the lease."""
    sizes: list[int] = []
    lease = taken_by(sizes)
    lease.told(100.0)
    lease._before = 40

    told = [lease.told(100.0) for _ in range(20)]

    assert sizes == [1, 20]
    assert told == [limiting.told("default", left, 60) for left in range(5998, 5978, -1)]


def test_who_begins_to_ask_a_lot_takes_more_within_the_second() -> None:
    """A quarter of what he has asked since it began: a few takes for thousands."""
    sizes: list[int] = []
    lease = taken_by(sizes, quota=100_000)

    told = [lease.told(1000.5) for _ in range(4000)]

    assert None not in told
    assert len(sizes) < 40
    assert sum(sizes) <= 4000 * 1.25


def test_a_lease_is_no_larger_than_a_tenth_of_the_quota() -> None:
    sizes: list[int] = []
    lease = taken_by(sizes, quota=100)
    lease.told(100.0)
    lease._before = 90

    lease.told(100.0)

    assert sizes == [1, 10]


def test_what_was_held_too_long_is_lost() -> None:
    """The count would forget it before it was used."""
    sizes: list[int] = []
    lease = taken_by(sizes)
    lease.told(100.0)
    lease._hand = leases.hand_of(lease._taken, 7, lease._hand.ends_at)

    lease.told(100.0 + leases.LIFE_SECONDS)

    assert sizes == [1, 1]


def test_the_oldest_makes_room() -> None:
    held = Leases(limiting.spend)
    first = held.of("default", "0")

    for number in range(leases.REMEMBERED):
        held.of("default", str(number))
    assert held.of("default", "0") is first

    held.of("default", "one more")
    assert held.of("default", "0") is not first
    assert settings.RATE_LIMITS["default"] == QUOTA
