"""What one round trip takes and tells; test_limits shows that it is what `limits` takes and tells in two."""

from __future__ import annotations

from typing import Any
from uuid import uuid4

import pytest
import redis
from django.conf import settings
from limits import RateLimitItemPerSecond
from limits.errors import StorageError
from limits.storage import RedisStorage

from config.api.windows import OneTrip

ITEM = RateLimitItemPerSecond(20, 61)


class Counting(redis.Connection):
    """Counts what is sent."""

    sent = 0

    def send_packed_command(self, *said: Any, **more: Any) -> None:
        Counting.sent += 1
        super().send_packed_command(*said, **more)  # type: ignore[no-untyped-call]


def test_it_is_one_round_trip() -> None:
    lines = redis.ConnectionPool.from_url(settings.REDIS_URL, connection_class=Counting)
    storage = RedisStorage(settings.REDIS_URL, connection_pool=lines, key_prefix=f"windows-{uuid4().hex}")
    limiter = OneTrip(storage)
    limiter.take(ITEM, "a", cost=1)
    before = Counting.sent

    limiter.take(ITEM, "a", cost=1)

    assert Counting.sent == before + 1
    storage.reset()


def test_a_valkey_that_is_away_is_said_as_limits_says_it() -> None:
    away = RedisStorage("redis://127.0.0.1:1/0", wrap_exceptions=True)

    with pytest.raises(StorageError):
        OneTrip(away).take(ITEM, "a", cost=1)
