"""What is told on a channel is heard whole, in order, and however it comes; a line that has ended is known as such."""

from __future__ import annotations

import socket
import time
from collections.abc import Iterator
from contextlib import closing, contextmanager

import pytest
import redis
from django.conf import settings

from entitlements import ears, packing, shelf, snapshot
from entitlements.ears import Ear, EarByClient, Heard
from entitlements.listening import Line
from entitlements.shelf import Change
from tests.entitlements.nearby import wait_until

SECONDS = 0.05
TOLD = [b"", b"one", b"\r\n", b"$3\r\n*3\r\n", bytes(range(256)) * 300]
PONG = {b"*": b"*2\r\n$4\r\npong\r\n$0\r\n\r\n", b">": b"+PONG\r\n"}


class Own:
    """A connection as the client makes it, to whoever holds the other end."""

    def __init__(self, near: socket.socket) -> None:
        self._sock = near

    def send_command(self, *words: str) -> None:
        self._sock.sendall(" ".join(words).encode())

    def send_packed_command(self, parts: list[bytes], check_health: bool) -> None:
        self._sock.sendall(b"".join(parts))

    def disconnect(self) -> None:
        self._sock.close()


@contextmanager
def an_ear() -> Iterator[tuple[Ear, socket.socket]]:
    near, far = socket.socketpair()
    with far, closing(Ear(Own(near), "news", SECONDS)) as ear:
        yield ear, far


def written(kind: bytes, *words: bytes) -> bytes:
    return b"%b%d\r\n" % (kind, len(words)) + b"".join(b"$%d\r\n%b\r\n" % (len(word), word) for word in words)


def everything(kind: bytes) -> bytes:
    subscribed = kind + b"3\r\n$9\r\nsubscribe\r\n$4\r\nnews\r\n:1\r\n"
    told = [written(kind, b"message", b"news", each) for each in TOLD]
    return subscribed + b"".join(told[:3]) + PONG[kind] + b"".join(told[3:])


@pytest.mark.parametrize("kind", [b"*", b">"], ids=["RESP2", "RESP3"])
def test_what_is_told_is_heard_in_order_wherever_it_is_cut(kind: bytes) -> None:
    text = everything(kind)
    for cut in [*range(1, len(text) - len(TOLD[-1]) - 20), len(text) - 3, len(text) - 1]:
        with an_ear() as (ear, far):
            far.sendall(text[:cut])
            found = [ear.listen()]
            far.sendall(text[cut:])
            while sum(len(each.messages) for each in found) < len(TOLD):
                found.append(ear.listen())
            assert [message for each in found for message in each.messages] == TOLD
            assert sum(each.is_answered for each in found) == 1


def test_an_answer_is_not_behind_what_was_told_after_it() -> None:
    """Trust counts from the moment at which a ping was sent: all that was told before its answer is heard by then."""
    with an_ear() as (ear, far):
        far.sendall(written(b"*", b"message", b"news", b"one") + PONG[b"*"])
        assert ear.listen() == Heard([b"one"], is_answered=True)


def test_what_is_of_another_channel_or_kind_is_no_message() -> None:
    with an_ear() as (ear, far):
        far.sendall(written(b"*", b"message", b"newspaper", b"one") + written(b">", b"invalidate", b"news"))
        assert ear.listen() == Heard([])


@pytest.mark.parametrize(("said", "error"), [(b"-ERR no\r\n", redis.ResponseError), (b"%1\r\n", ears.Unusual)])
def test_what_cannot_be_read_ends_the_line(said: bytes, error: type[Exception]) -> None:
    with an_ear() as (ear, far):
        far.sendall(said)
        with pytest.raises(error):
            ear.listen()


def test_silence_is_no_end_and_an_end_is() -> None:
    with an_ear() as (ear, far):
        assert ear.listen() is ears.SILENCE
        far.close()
        with pytest.raises((redis.ConnectionError, OSError)):
            ear.listen()


@pytest.mark.parametrize("reads_itself", [True, False], ids=["by itself", "by the client"])
@pytest.mark.parametrize("protocol", [2, 3])
def test_valkey_is_heard_either_way(reads_itself: bool, protocol: int) -> None:
    url = f"{settings.REDIS_URL}?protocol={protocol}"
    heard: list[Heard] = []
    with (
        shelf.connected(url, 20.0) as valkey,
        closing(ears.opened(valkey, "news", 0.2, reads_itself=reads_itself)) as ear,
    ):
        assert isinstance(ear, Ear if reads_itself else EarByClient)
        wait_until(lambda: dict(valkey.pubsub_numsub("news"))[b"news"] == 1)
        for message in TOLD:
            valkey.publish("news", message)
        ear.ping()
        while not any(each.is_answered for each in heard):
            heard.append(ear.listen())
    assert [message for each in heard for message in each.messages] == TOLD


def test_nonsense_on_the_channel_ends_all_trust_at_once() -> None:
    """What was meant is not known: all is forgotten, and the line begins anew."""
    forgotten: list[None] = []
    line = Line(lambda _change: None, lambda: forgotten.append(None), lambda: None)
    line.open()
    wait_until(line.is_up)
    before = len(forgotten)

    with shelf.connected(settings.REDIS_URL, 20.0) as valkey:
        valkey.publish(shelf.here().channel, b"\x80")

    # It is lost, and it stands again.
    wait_until(lambda: len(forgotten) >= before + 2)
    wait_until(line.is_up)
    line.close()


def test_the_packet_is_taken_by_who_has_heard_of_its_version() -> None:
    """First only the version is told: what it says is then taken as if nothing had been heard."""
    memory, now = snapshot.memory, time.monotonic()
    old, new = Change("zoe", b"\x01" + bytes(20), 30), Change("zoe", b"\x02" + bytes(20), 30)
    memory.put("zoe", old.packet, now + 30)

    snapshot.heard(Change("zoe", packing.bare(2), 0))
    assert memory.get("zoe", now) is None
    memory.replace("zoe", 1, old.packet, now + 30)
    assert memory.get("zoe", now) is None

    snapshot.heard(new)
    found = memory.get("zoe", now)
    assert found is not None
    assert found.version == 2
    memory.clear()


def test_a_version_that_was_only_told_does_not_displace_what_it_says() -> None:
    memory, now = snapshot.memory, time.monotonic()
    memory.put("zoe", b"\x02" + bytes(20), now + 30)

    snapshot.heard(Change("zoe", packing.bare(2), 0))

    assert memory.get("zoe", now) is not None
    memory.clear()
