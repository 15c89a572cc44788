"""Commands reach Valkey in one round trip, and a connection that it has ended costs no answer."""

from __future__ import annotations

import socket
import threading
from uuid import uuid4

import pytest
import redis
from django.conf import settings

from entitlements import shelf
from entitlements.wire import ByClient, Direct, Wire


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


@pytest.mark.parametrize("size", [0, 1, 4_094, 4_096, 70_000, 1_000_000])
def test_an_answer_of_any_length_is_read_whole(client: redis.Redis, size: int) -> None:
    line, name = Wire(client), key()

    said = line.ask([(b"SET", name, b"x" * size, b"PX", b"5000"), *[(b"GET", name)] * 3, (b"GET", key())])

    assert said == [b"OK", *[b"x" * size] * 3, None]


def test_answers_may_come_in_pieces() -> None:
    """Wherever they are cut."""
    text = b"$-1\r\n:-12\r\n$3\r\n\r\n:\r\n_\r\n+OK\r\n"
    near, far = socket.socketpair()
    line = object.__new__(Direct)
    line._socket = near
    for cut in range(1, len(text)):
        far.sendall(text[:cut])
        rest = threading.Timer(0.001, far.sendall, [text[cut:]])
        rest.start()

        assert line._answers(5) == [None, -12, b"\r\n:", None, b"OK"]
        rest.join()
    near.close()
    far.close()


def test_a_silent_valkey_is_waited_for_no_longer_than_is_said() -> None:
    near, far = socket.socketpair()
    own = redis.Connection(socket_timeout=0.05)
    own._sock = near

    with pytest.raises(redis.TimeoutError):
        Direct(own).ask(b"*1\r\n$4\r\nPING\r\n", 1)

    assert own._sock is None
    far.close()


def test_what_is_unusual_is_left_to_the_client(client: redis.Redis) -> None:
    """An array is not read here."""
    line = Wire(client)
    assert isinstance(line._connected(), Direct)

    (found,) = line.ask([(b"TIME",)])

    assert len(found) == 2
    assert isinstance(line._idle[0], ByClient)
    assert line.ask([(b"ECHO", b"right")]) == [b"right"]
