"""What is asked of Valkey for a check: many commands in one round trip, on connections that stay open.

The client's own pipeline costs more than Valkey's answer: it looks at each connection before each use. Here one that
Valkey has ended is noticed when it is used, and another one is asked.
"""

from __future__ import annotations

import os
from collections.abc import Sequence
from typing import Any

import redis

Command = Sequence[bytes]


class Wire:
    """Connections to one Valkey, as a client makes them."""

    def __init__(self, client: redis.Redis) -> None:
        self._pool = client.connection_pool
        self._idle: list[Any] = []
        # What a parent has open is the parent's.
        os.register_at_fork(after_in_child=self._idle.clear)

    def ask(self, commands: Sequence[Command]) -> list[Any]:
        """Send the commands at once, and return their answers. Raises redis.RedisError."""
        if self._idle:
            try:
                return self._asked(self._idle.pop(), commands)
            except IndexError:
                pass  # Another thread was quicker.
            except redis.ConnectionError:
                self._idle.clear()
        return self._asked(self._pool.connection_class(**self._pool.connection_kwargs), commands)

    def _asked(self, connection: Any, commands: Sequence[Command]) -> list[Any]:
        connection.send_packed_command(connection.pack_commands(commands), check_health=False)
        answers = [connection.read_response(disable_decoding=True) for _ in commands]
        self._idle.append(connection)
        return answers
