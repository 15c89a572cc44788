"""What processes share in Valkey: an older version never takes the place of a newer one."""

from __future__ import annotations

import random
import threading
from collections.abc import Iterator
from concurrent.futures import ThreadPoolExecutor

import pytest
import redis
from django.conf import LazySettings, settings

from entitlements import gauges, packing, shelf
from entitlements.shelf import Change, Shelf
from tests.entitlements.nearby import silence

WORKERS, ROUNDS = 16, 30
KEY = f"{settings.APP_NAME}:facts:race"
COMPARED = "old and version(old) > version(packet)"


@pytest.fixture(autouse=True)
def emptied() -> Iterator[None]:
    yield
    valkey().delete(KEY)


def valkey() -> redis.Redis:
    return redis.Redis.from_url(settings.REDIS_URL)


def last_of_a_race() -> list[int]:
    """Let workers keep a version each at once, some rounds; return which one was left each time."""
    versions, left = list(range(100, 100 + WORKERS)), []
    shelves = [Shelf(settings.REDIS_URL, settings.APP_NAME) for _each in versions]
    with ThreadPoolExecutor(WORKERS) as pool:
        for _round in range(ROUNDS):
            valkey().delete(KEY)
            random.shuffle(versions)
            start = threading.Barrier(WORKERS)

            def keep(version: int, place: Shelf, start: threading.Barrier = start) -> None:
                start.wait()
                place.keep(Change("race", packing.bare(version), 30))

            list(pool.map(keep, versions, shelves))
            left.append(packing.version_of(valkey().get(KEY)))  # type: ignore[arg-type]
    return left


def test_of_sixteen_who_write_at_once_the_newest_is_left() -> None:
    avoided = gauges.STALE_AVOIDED._value.get()

    assert set(last_of_a_race()) == {100 + WORKERS - 1}
    assert gauges.STALE_AVOIDED._value.get() > avoided


def test_without_the_comparison_an_older_one_is_left(monkeypatch: pytest.MonkeyPatch) -> None:
    assert COMPARED in shelf.KEEP
    monkeypatch.setattr(shelf, "KEEP", shelf.KEEP.replace(COMPARED, "false"))

    assert set(last_of_a_race()) != {100 + WORKERS - 1}


@pytest.mark.parametrize(("first", "second", "kept"), [(127, 128, True), (128, 127, False), (70_000, 300, False)])
def test_versions_are_compared_as_numbers(first: int, second: int, kept: bool) -> None:
    place = shelf.here()
    place.keep(Change("race", packing.bare(first), 30))

    assert place.keep(Change("race", packing.bare(second), 30)) is kept
    assert place.keep(Change("race", packing.bare(max(first, second)), 30))


def test_a_version_stays_longer_than_it_counts() -> None:
    """Whoever read before it was written, and comes late, must still meet it."""
    place = shelf.here()
    packet = packing.bare(7) + b"\x00"
    place.keep(Change("race", packet, 0.0))

    assert place.look(["race"]) == {}
    assert not place.keep(Change("race", packing.bare(6), 30))
    assert (valkey().pttl(KEY) or 0) > shelf.LINGER_SECONDS * 900


def test_a_valkey_that_does_not_answer_is_not_asked_again_for_a_while(settings: LazySettings) -> None:
    with silence() as url:
        place = Shelf(url, "test")
        lost = gauges.FALLBACKS._value.get()

        assert place.look(["race"]) == {}
        away_until = place._away_until
        assert place.keep(Change("race", packing.bare(6), 30))

    assert away_until > 0
    assert place._away_until == away_until
    assert gauges.FALLBACKS._value.get() == lost + 2
