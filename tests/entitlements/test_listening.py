"""A line is lost when Valkey is silent, and not when its own process comes late to what Valkey has said."""

from __future__ import annotations

import threading

from django.conf import settings

from entitlements import packing, shelf
from entitlements.listening import TRUST_SECONDS, Line
from entitlements.shelf import Change
from tests.entitlements.nearby import wait_until

MESSAGES = 150
# So the answer to a ping, which comes behind them, is read too late to be trusted.
EACH_SECONDS = TRUST_SECONDS * 1.5 / MESSAGES


def test_who_hears_late_has_lost_nothing() -> None:
    heard: list[Change] = []
    forgotten: list[None] = []
    pause = threading.Event()

    def hear(change: Change) -> None:
        heard.append(change)
        pause.wait(EACH_SECONDS)

    line = Line(hear, lambda: forgotten.append(None), lambda: None)
    line.open()
    wait_until(line.is_up)
    before = len(forgotten)

    with shelf.connected(settings.REDIS_URL, 5.0) as valkey, valkey.pipeline(transaction=False) as together:
        for _number in range(MESSAGES):
            together.publish(shelf.here().channel, shelf.message(Change("nobody", packing.bare(1), 0)))
        together.execute()
    wait_until(lambda: len(heard) >= MESSAGES)
    wait_until(line.is_up)

    assert len(forgotten) == before
    line.close()
    assert len(forgotten) > before
