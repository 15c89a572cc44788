"""Who acts now, and for which request: set once at each door, read when history is written."""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import contextmanager
from contextvars import ContextVar

SYSTEM = "system"

actor: ContextVar[str] = ContextVar("actor", default=SYSTEM)
request_id: ContextVar[str] = ContextVar("request_id", default="")
why: ContextVar[str] = ContextVar("why", default="")


@contextmanager
def acting(name: str, *, because: str = "") -> Iterator[None]:
    """Let everything inside be recorded as done by `name`, such as `user:42`, `staff:anna` or `stripe`, and why."""
    token = actor.set(name)
    try:
        with explained(because or why.get()):
            yield
    finally:
        actor.reset(token)


@contextmanager
def explained(because: str) -> Iterator[None]:
    """Let everything inside be recorded with the reason that its actor gave."""
    token = why.set(because)
    try:
        yield
    finally:
        why.reset(token)
