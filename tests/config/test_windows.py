"""What one round trip takes and tells is what `limits` would have taken and told in two."""

from __future__ import annotations

import random
import time
from collections.abc import Iterator
from typing import Any
from uuid import uuid4

import pytest
import redis
import time_machine
from django.conf import settings
from limits import RateLimitItemPerSecond
from limits.errors import StorageError
from limits.storage import RedisStorage
from limits.strategies import MovingWindowRateLimiter

from config.api import windows
from config.api.windows import Taken, Windows

ITEM = RateLimitItemPerSecond(20, 61)


@pytest.fixture
def storage() -> Iterator[RedisStorage]:
    made = RedisStorage(settings.REDIS_URL, key_prefix=f"windows-{uuid4().hex}", wrap_exceptions=True)
    yield made
    made.reset()


def test_it_takes_and_tells_what_limits_does(storage: RedisStorage) -> None:
    chance, one, two = random.Random(5), Windows(storage), MovingWindowRateLimiter(storage)
    told: list[tuple[Taken, Taken]] = []

    with time_machine.travel(time.time(), tick=False) as traveller:
        for _ in range(300):
            cost = chance.choice([1, 1, 1, 3, 7, 21])
            told.append((one.take(ITEM, "a", cost=cost), windows.take(two, ITEM, "b", cost=cost)))
            traveller.shift(chance.choice([0, 0.25, 5, 70]))

    assert [each for each in told if each[0] != each[1]] == []
    assert {taken.allowed for taken, _ in told} == {True, False}


class Counting(redis.Connection):
    """Counts what is sent."""

    sent = 0

    def send_packed_command(self, *said: Any, **more: Any) -> None:
        Counting.sent += 1
        super().send_packed_command(*said, **more)  # type: ignore[no-untyped-call]


def test_it_is_one_round_trip() -> None:
    lines = redis.ConnectionPool.from_url(settings.REDIS_URL, connection_class=Counting)
    storage = RedisStorage(settings.REDIS_URL, connection_pool=lines, key_prefix=f"windows-{uuid4().hex}")
    limiter = Windows(storage)
    limiter.take(ITEM, "a", cost=1)
    before = Counting.sent

    limiter.take(ITEM, "a", cost=1)

    assert Counting.sent == before + 1
    storage.reset()


def test_a_valkey_that_is_away_is_said_as_limits_says_it() -> None:
    away = RedisStorage("redis://127.0.0.1:1/0", wrap_exceptions=True)

    with pytest.raises(StorageError):
        Windows(away).take(ITEM, "a", cost=1)
