"""Commands reach Valkey in one round trip, and a connection that it has ended costs no answer."""

from __future__ import annotations

from uuid import uuid4

import pytest
import redis
from django.conf import settings

from entitlements import shelf
from entitlements.wire import Wire


@pytest.fixture
def client() -> redis.Redis:
    return shelf.connected(settings.REDIS_URL, 5.0)


def key() -> bytes:
    return f"wire:{uuid4().hex}".encode()


def test_each_command_has_its_answer(client: redis.Redis) -> None:
    """Whatever bytes are in it."""
    name, bits = key(), bytes(range(256)) + b"\r\n$-1\r\n"

    said = Wire(client).ask([(b"SET", name, bits, b"PX", b"5000"), (b"GET", name), (b"GET", key()), (b"PTTL", name)])

    assert said[:3] == [b"OK", bits, None]
    assert 0 < said[3] <= 5000


def test_a_connection_that_valkey_has_ended_is_replaced(client: redis.Redis) -> None:
    line = Wire(client)
    (mine,) = line.ask([(b"CLIENT", b"ID")])

    client.client_kill_filter(_id=str(mine), skipme=False)
    (other,) = line.ask([(b"CLIENT", b"ID")])

    assert other != mine


def test_after_a_refused_command_no_answer_is_taken_for_another(client: redis.Redis) -> None:
    line, name = Wire(client), key()
    line.ask([(b"SET", name, b"right", b"PX", b"5000")])

    with pytest.raises(redis.ResponseError):
        line.ask([(b"NOTHING",), (b"ECHO", b"wrong")])

    assert line.ask([(b"GET", name)]) == [b"right"]
