"""So many calls a second of one kind, over all processes. A courtesy, never a lock: nothing breaks without it."""

from __future__ import annotations

import time

from limits import RateLimitItemPerSecond

from config.api import limiting

# Who has waited so long goes on: that the far side says no is no worse than that we wait for ever.
LONGEST_SECONDS = 10.0


def wait(kind: str, *, per_second: int) -> None:
    """Wait until one more call of this kind is within the pace. 0 is no limit."""
    until = time.monotonic() + LONGEST_SECONDS
    while per_second and time.monotonic() < until:
        item = RateLimitItemPerSecond(per_second)
        if limiting.counted(lambda limiter, item=item: limiter.hit(item, "pace", kind)):  # type: ignore[misc]
            return
        # The window moves: each call frees its place a second later.
        time.sleep(1 / per_second)
