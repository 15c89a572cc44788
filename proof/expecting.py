"""Saying what should be, and finding out whether it is."""

from __future__ import annotations

import time
from collections.abc import Callable
from typing import Any, TypeVar

T = TypeVar("T")
PAUSE = 0.025


class Differs(Exception):
    """Something is not as it should be."""

    def __init__(self, what: str, expected: Any, got: Any):
        super().__init__(f"{what}: expected {expected}, got {got}")
        self.what, self.expected, self.got = what, str(expected), str(got)


class NotReached(Exception):
    """A line needs what an earlier line did not bring about."""

    def __init__(self, number: int):
        super().__init__(f"line {number} must hold first")


def same(what: str, expected: Any, got: Any) -> None:
    """Raise Differs unless both are equal."""
    if expected != got:
        raise Differs(what, expected, got)


def true(what: str, holds: bool, got: Any, *, expected: Any = True) -> None:
    """Raise Differs unless it holds."""
    if not holds:
        raise Differs(what, expected, got)


def until(what: str, read: Callable[[], T], good: Callable[[T], bool], *, expected: Any, within: float = 30) -> T:
    """Read until the answer is good, and return it. Raises Differs with the last one after `within` s."""
    deadline = time.monotonic() + within
    while not good(found := read()):
        if time.monotonic() > deadline:
            raise Differs(what, f"{expected} within {within:g} s", found)
        time.sleep(PAUSE)
    return found
