"""Named points in what writes money or access, at which a test stops a process.

FAREBOX_FAULTS="stripe.create_refund.after=kill" plans for them: `raise`, `hang:5` (seconds)
or `kill`, several by commas. There is one before and after each commit of `transactions.whole` and each call
to Stripe. They cost one look at an empty dict. A start-up check refuses the setting in production.
"""

from __future__ import annotations

import os
import signal
import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager

ACTIONS = ("raise", "hang", "kill")


class Stopped(Exception):
    """A process was told to fail at this point."""


def parsed(text: str) -> dict[str, str]:
    """Read `name=action,name=action`. Raises ValueError for an action that does not exist."""
    plan = dict(one.strip().split("=", 1) for one in text.split(",") if one.strip())
    for action in plan.values():
        if action.partition(":")[0] not in ACTIONS:
            raise ValueError(f"{action} is none of {', '.join(ACTIONS)}.")
    return plan


plan = parsed(os.environ.get("FAREBOX_FAULTS", ""))
# Who listens hears every point that is passed.
listeners: list[Callable[[str], None]] = []


def at(name: str) -> None:
    """Pass a point: do what was planned for it, if anything. Raises Stopped."""
    for listener in listeners:
        listener(name)
    action, _, seconds = plan.get(name, "").partition(":")
    if action == "kill":
        os.kill(os.getpid(), signal.SIGKILL)
    elif action == "hang":
        time.sleep(float(seconds or 3600))
    elif action == "raise":
        raise Stopped(name)


@contextmanager
def around(name: str) -> Iterator[None]:
    """Pass a point before the work and one after it, when the work did not fail."""
    at(f"{name}.before")
    yield
    at(f"{name}.after")
