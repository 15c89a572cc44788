"""How long tests wait, and for what.

Long for Valkey, and for a fetch of our own: a process may stand still while others run, and what our code does without
would then be what is tried. Not at all between Stripe's library's two tries: that shows nothing.
"""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import contextmanager

from hypothesis import HealthCheck
from hypothesis import settings as examples
from stripe import HTTPClient

from config.api import limiting
from entitlements import flights, listening, shelf, snapshot

LONG_SECONDS = 20.0


def be_patient() -> None:
    """Wait long, from now on and in this process."""
    limiting.VALKEY_SECONDS = shelf.TIMEOUT_SECONDS = listening.TRUST_SECONDS = LONG_SECONDS
    snapshot.SLOWEST_SECONDS = flights.PATIENCE_SECONDS = LONG_SECONDS
    HTTPClient.INITIAL_DELAY = 0.0
    # How long an example takes, or the making of it, says nothing either.
    examples.register_profile(
        "patient",
        examples(),
        deadline=None,
        suppress_health_check=[*examples().suppress_health_check, HealthCheck.too_slow],
    )
    examples.load_profile("patient")


@contextmanager
def no_patience(seconds: float = 0.05) -> Iterator[None]:
    """Give a Valkey up that does not answer at once, as the product does."""
    before = shelf.TIMEOUT_SECONDS, listening.TRUST_SECONDS
    shelf.TIMEOUT_SECONDS, listening.TRUST_SECONDS = seconds, 1.0
    try:
        yield
    finally:
        shelf.TIMEOUT_SECONDS, listening.TRUST_SECONDS = before
