"""What is asked of Valkey for a check: many commands in one round trip, on connections that stay open.

The client's own pipeline costs more than Valkey's answer: it looks at each connection before each use, and each wait is
two calls of the kernel. Here the client opens a connection, and its socket is then written and read directly, with its
timeout in the kernel. What is not a plain socket, and an answer of an unusual kind, is left to the client.
"""

from __future__ import annotations

import os
import re
import socket
import struct
from collections.abc import Sequence
from typing import Any

import redis

Command = Sequence[bytes]
READ_BYTES, END, ENDED = 4096, b"\r\n", "Valkey has ended the connection"
SIMPLE, REFUSED, NUMBER, BULK, NULL = b"+-:$_"
TIMEVAL = struct.Struct("ll")
# A number and a text, as they mostly come: whole.
PAIR = re.compile(rb":(\d+)\r\n\$(\d+)\r\n(.*)\r\n", re.DOTALL)


class Unusual(redis.RedisError):
    """Valkey has answered with something that is not read here."""


class Wire:
    """Connections to one Valkey, as a client makes them."""

    def __init__(self, client: redis.Redis) -> None:
        self._pool = client.connection_pool
        self._idle: list[Any] = []
        self._reads_itself = True
        # What a parent has open is the parent's.
        os.register_at_fork(after_in_child=self._idle.clear)

    def ask(self, commands: Sequence[Command]) -> list[Any]:
        """Send the commands at once, and return their answers. Raises redis.RedisError."""
        return self.ask_packed(packed(commands), len(commands))

    def ask_packed(self, text: bytes, count: int) -> list[Any]:
        """Do so with so many commands that are packed already."""
        try:
            connection = self._idle.pop()
        except IndexError:
            return self._anew(text, count)
        try:
            answers: list[Any] = connection.ask(text, count)
        except (redis.ConnectionError, Unusual) as reason:
            self._reads_itself &= not isinstance(reason, Unusual)
            self._idle.clear()
            return self._anew(text, count)
        self._idle.append(connection)
        return answers

    def _anew(self, text: bytes, count: int) -> list[Any]:
        connection = self._connected()
        try:
            answers = connection.ask(text, count)
        except Unusual:
            # Whatever comes from now on is read by the client.
            self._reads_itself = False
            connection = self._connected()
            answers = connection.ask(text, count)
        self._idle.append(connection)
        return answers

    def _connected(self) -> Direct | ByClient:
        own = self._pool.connection_class(**self._pool.connection_kwargs)
        own.connect()
        # With TLS it is another class.
        plain = self._reads_itself and type(own._sock) is socket.socket
        return Direct(own) if plain else ByClient(own)


class ByClient:
    """A connection that the client writes and reads."""

    def __init__(self, own: Any) -> None:
        self._own = own

    def ask(self, text: bytes, count: int) -> list[Any]:
        """Send packed commands and return their answers."""
        self._own.send_packed_command([text], check_health=False)
        return [self._own.read_response(disable_decoding=True) for _ in range(count)]


class Direct:
    """A connection whose socket is written and read here; it waits for each part as long as the client would."""

    def __init__(self, own: Any) -> None:
        # It would be closed with the client's.
        self._own, self._socket = own, own._sock
        if (seconds := own.socket_timeout) is not None:
            parts = TIMEVAL.pack(int(seconds), int(seconds % 1 * 1_000_000))
            self._socket.setsockopt(socket.SOL_SOCKET, socket.SO_RCVTIMEO, parts)
            self._socket.setsockopt(socket.SOL_SOCKET, socket.SO_SNDTIMEO, parts)
        self._socket.settimeout(None)

    def ask(self, text: bytes, count: int) -> list[Any]:
        """Send packed commands and return their answers."""
        try:
            self._socket.sendall(text)
            return self._answers(count)
        except BlockingIOError as reason:
            self._own.disconnect()
            raise redis.TimeoutError("Valkey did not answer in time") from reason
        except OSError as reason:
            self._own.disconnect()
            raise redis.ConnectionError(f"the connection to Valkey has ended: {reason}") from reason
        except BaseException:
            # What comes later would be taken for another answer.
            self._own.disconnect()
            raise

    def _answers(self, count: int) -> list[Any]:
        text: bytes = self._socket.recv(READ_BYTES)
        if count == 2 and (pair := PAIR.fullmatch(text)) is not None:
            number, length, bulk = pair.groups()
            if int(length) == len(bulk):
                return [int(number), bulk]
        if not text:
            raise redis.ConnectionError(ENDED)
        found: list[Any] = []
        at = 0
        while len(found) < count:
            while (end := text.find(END, at)) < 0:
                text = self._more(text)
            kind = text[at]
            if kind == BULK:
                start, length = end + 2, int(text[at + 1 : end])
                if length < 0:
                    found.append(None)
                else:
                    end = start + length
                    while len(text) < end + 2:
                        text = self._more(text)
                    found.append(text[start:end])
            elif kind == NUMBER:
                found.append(int(text[at + 1 : end]))
            elif kind == SIMPLE:
                found.append(text[at + 1 : end])
            elif kind == NULL:
                found.append(None)
            elif kind == REFUSED:
                raise redis.ResponseError(text[at + 1 : end].decode(errors="replace"))
            else:
                raise Unusual("an answer of an unusual kind")
            at = end + 2
        return found

    def _more(self, text: bytes) -> bytes:
        more: bytes = self._socket.recv(READ_BYTES if len(text) < READ_BYTES else len(text))
        if not more:
            raise redis.ConnectionError(ENDED)
        return text + more


def packed(commands: Sequence[Command]) -> bytes:
    """Write commands as Valkey reads them."""
    parts = []
    for words in commands:
        parts.append(b"*%d\r\n" % len(words))
        parts.extend(b"$%d\r\n%b\r\n" % (len(word), word) for word in words)
    return b"".join(parts)
