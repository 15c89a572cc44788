"""Run a whole transaction again when the database asks for it."""

from __future__ import annotations

import functools
from collections.abc import Callable
from typing import ParamSpec, TypeVar

from django.db import OperationalError, transaction

from vault import stops

P = ParamSpec("P")
R = TypeVar("R")
TRIES = 5
# serialization_failure, deadlock_detected, lock_not_available: nothing was written, and the next try may well pass.
TRANSIENT = {"40001", "40P01", "55P03"}


def whole(function: Callable[P, R]) -> Callable[P, R]:
    """Run `function` in one transaction, again from its start when it lost a race for locks.

    Inside another transaction it joins that one: only the outermost can be run again.
    """

    @functools.wraps(function)
    def run(*args: P.args, **kwargs: P.kwargs) -> R:
        outermost = not transaction.get_connection().in_atomic_block
        name = f"commit.{function.__module__}.{function.__name__}"
        for left in reversed(range(TRIES if outermost else 1)):
            try:
                with transaction.atomic():
                    result = function(*args, **kwargs)
                    if outermost:
                        stops.at(f"{name}.before")
                if outermost:
                    stops.at(f"{name}.after")
                return result
            except OperationalError as error:
                if not left or getattr(error.__cause__, "sqlstate", "") not in TRANSIENT:
                    raise
        raise AssertionError("unreachable")

    return run
