"""How what is told on a channel of Valkey is read: many messages at once, and the answers to pings.

The client makes a list of each message and looks twice at the socket for it; a process that must let others go first
each time hears late. Here one call of the kernel takes all that is there. What is not a plain socket, and what is of an
unusual kind, is left to the client.
"""

from __future__ import annotations

import socket
import struct
from typing import Any, NamedTuple

import redis

READ_BYTES, END = 65536, b"\r\n"
ARRAY, PUSH, BULK, NUMBER, SIMPLE, REFUSED = b"*>$:+-"
PING = b"*1\r\n$4\r\nPING\r\n"
TIMEVAL = struct.Struct("ll")


class Unusual(redis.RedisError):
    """Valkey has said something that is not read here."""


class Heard(NamedTuple):
    """What was said meanwhile: messages in their order, and whether a ping was answered behind them or among them."""

    messages: list[bytes]
    is_answered: bool = False


SILENCE = Heard([])


class Ear:
    """A connection that hears one channel, read from its socket."""

    def __init__(self, own: Any, channel: str, seconds: float) -> None:
        # It would be closed with the client's.
        self._own, self._socket = own, own._sock
        self._rest = b""
        # The kernel waits: with a timeout of its own the interpreter asks it twice, and hands itself on twice.
        wait = TIMEVAL.pack(int(seconds), int(seconds % 1 * 1_000_000))
        self._socket.setsockopt(socket.SOL_SOCKET, socket.SO_RCVTIMEO, wait)
        self._socket.setsockopt(socket.SOL_SOCKET, socket.SO_SNDTIMEO, wait)
        self._socket.settimeout(None)
        name = channel.encode()
        self._starts = [b"%c3\r\n$7\r\nmessage\r\n$%d\r\n%b\r\n$" % (kind, len(name), name) for kind in (ARRAY, PUSH)]
        own.send_command("SUBSCRIBE", channel)

    def ping(self) -> None:
        """Ask whether the line stands. Raises redis.RedisError."""
        self._own.send_packed_command([PING], check_health=False)

    def listen(self) -> Heard:
        """Return what is said, as soon as anything is; nothing after a while. Raises redis.RedisError and OSError."""
        try:
            more = self._socket.recv(READ_BYTES)
        except BlockingIOError:
            return SILENCE
        if not more:
            raise redis.ConnectionError("Valkey has ended the connection")
        return self._read(self._rest + more if self._rest else more)

    def close(self) -> None:
        """Hear no more."""
        self._own.disconnect()

    def _read(self, text: bytes) -> Heard:
        messages: list[bytes] = []
        at, is_answered, plain, pushed = 0, False, *self._starts
        while at < len(text):
            start = plain if text.startswith(plain, at) else pushed
            if text.startswith(start, at):
                end = text.find(END, at + len(start))
                length = int(text[at + len(start) : end]) if end > 0 else 0
                if end < 0 or len(text) < end + length + 4:
                    break
                messages.append(text[end + 2 : end + 2 + length])
                at = end + length + 4
                continue
            found = _words(text, at)
            if found is None:
                break
            words, at = found
            is_answered = is_answered or words[0].lower() == b"pong"
        self._rest = text[at:]
        return Heard(messages, is_answered)


class EarByClient:
    """The same, read by the client."""

    def __init__(self, client: redis.Redis, channel: str, seconds: float) -> None:
        self._own: Any = client.pubsub()  # type: ignore[no-untyped-call]
        self._seconds = seconds
        self._own.subscribe(channel)

    def ping(self) -> None:
        """Ask whether the line stands. Raises redis.RedisError."""
        self._own.ping()

    def listen(self) -> Heard:
        """Return what is said, as soon as anything is; nothing after a while. Raises redis.RedisError and OSError."""
        said = self._own.get_message(timeout=self._seconds) or {"type": "nothing"}
        return Heard([said["data"]] if said["type"] == "message" else [], said["type"] == "pong")

    def close(self) -> None:
        """Hear no more."""
        self._own.close()


def opened(client: redis.Redis, channel: str, seconds: float, *, reads_itself: bool = True) -> Ear | EarByClient:
    """Listen to a channel, each time for so many seconds at most. Raises redis.RedisError and OSError."""
    pool: Any = client.connection_pool
    own = pool.connection_class(**pool.connection_kwargs)
    own.connect()
    # With TLS it is another class.
    if reads_itself and type(own._sock) is socket.socket:
        return Ear(own, channel, seconds)
    own.disconnect()
    return EarByClient(client, channel, seconds)


def _words(text: bytes, at: int) -> tuple[list[bytes], int] | None:
    """Return the words of an array or a line that begins there, and where it ends; None when not all is there yet."""
    if (end := text.find(END, at)) < 0:
        return None
    kind, said = text[at], text[at + 1 : end]
    if kind in (SIMPLE, NUMBER):
        return [said], end + 2
    if kind == BULK:
        start, end = end + 2, end + 2 + max(int(said), 0)
        return ([text[start:end]], end + 2) if len(text) >= end + 2 else None
    if kind == REFUSED:
        raise redis.ResponseError(said.decode(errors="replace"))
    if kind not in (ARRAY, PUSH):
        raise Unusual("an answer of an unusual kind")
    words, at = [], end + 2
    for _each in range(int(said)):
        if (found := _words(text, at)) is None:
            return None
        words += found[0]
        at = found[1]
    return words, at
