"""What was read is kept in Valkey after the answer: together, while it is young, and never more than so much waits."""

from __future__ import annotations

import os
import threading
import time
from collections.abc import Sequence

import pytest

from entitlements import packing, shelving, snapshot
from entitlements.shelf import Change
from entitlements.shelving import Shelving
from tests.entitlements.nearby import wait_until

OLDEST = 2.0


class Kept:
    """Notes what is kept together; it waits for `gate` each time."""

    def __init__(self) -> None:
        self.together: list[list[Change]] = []
        self.gate = threading.Event()
        self.gate.set()

    def __call__(self, changes: Sequence[Change]) -> None:
        self.gate.wait(10)
        self.together.append(list(changes))


def a_change(number: int = 1, seconds: float = 30.0) -> Change:
    return Change(f"user-{number}", packing.bare(number), seconds)


def test_who_come_together_are_kept_together() -> None:
    kept = Kept()
    place, now = Shelving(kept, oldest=lambda: OLDEST), time.monotonic()
    kept.gate.clear()
    place.later(a_change(0), now)
    for number in range(1, 6):
        place.later(a_change(number), now)
    kept.gate.set()

    wait_until(lambda: place.is_over)

    assert [change.user_id for changes in kept.together for change in changes] == [f"user-{n}" for n in range(6)]
    assert len(kept.together) <= 2


def test_it_counts_for_less_by_as_long_as_it_waited() -> None:
    kept = Kept()
    place = Shelving(kept, oldest=lambda: OLDEST)

    place.later(a_change(seconds=30), time.monotonic() - 1.5)
    wait_until(lambda: kept.together)

    assert kept.together[0][0].seconds <= 28.5


@pytest.mark.parametrize(("seconds", "ago"), [(30.0, OLDEST + 0.1), (1.0, 1.5), (0.0, 0.0)])
def test_what_is_too_old_is_not_kept(seconds: float, ago: float) -> None:
    """A newer version may have been kept and have gone again in between."""
    kept = Kept()
    place = Shelving(kept, oldest=lambda: OLDEST)

    place.later(a_change(seconds=seconds), time.monotonic() - ago)
    wait_until(lambda: place.is_over)

    assert kept.together == []


def test_what_waits_while_valkey_is_slow_is_young_when_it_is_kept() -> None:
    kept = Kept()
    place = Shelving(kept, oldest=lambda: OLDEST)
    kept.gate.clear()
    place.later(a_change(1), time.monotonic())
    wait_until(lambda: not place._waiting)
    place.later(a_change(2), time.monotonic() - OLDEST)
    kept.gate.set()

    wait_until(lambda: place.is_over)

    assert [[change.user_id for change in changes] for changes in kept.together] == [["user-1"]]


def test_no_more_than_so_many_wait(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(shelving, "MOST_WAITING", 3)
    kept = Kept()
    place, now = Shelving(kept, oldest=lambda: OLDEST), time.monotonic()
    kept.gate.clear()
    place.later(a_change(0), now)
    wait_until(lambda: not place._waiting)
    for number in range(1, 9):
        place.later(a_change(number), now)
    kept.gate.set()

    wait_until(lambda: place.is_over)

    assert sum(map(len, kept.together)) == 4


def test_a_child_keeps_for_itself() -> None:
    kept = Kept()
    place = Shelving(kept, oldest=lambda: OLDEST)
    kept.gate.clear()
    place.later(a_change(1), time.monotonic())
    reading, writing = os.pipe()
    child = os.fork()
    if not child:
        place._keep = lambda changes: os.write(writing, changes[0].user_id.encode())
        place.later(a_change(2), time.monotonic())
        wait_until(lambda: place.is_over)
        os._exit(0)
    os.waitpid(child, 0)
    kept.gate.set()
    wait_until(lambda: place.is_over)

    assert os.read(reading, 99) == b"user-2"
    assert kept.together[0][0].user_id == "user-1"
    os.close(reading)
    os.close(writing)


def test_a_process_keeps_what_it_reads_no_longer_than_a_read_may_take() -> None:
    assert snapshot.shelving._oldest() == snapshot.SLOWEST_SECONDS
