"""Five thousand webhooks that are not quite Stripe's: no fault of ours, and no row of anybody else's."""

from __future__ import annotations

import json
import random
import time
from collections import Counter
from collections.abc import Callable
from typing import Any

import pytest
from django.test import Client

from billing.models import WebhookEvent
from tests.shown import Shown
from tests.stripe_side import StripeSide

EVENT = {
    "id": "evt_1",
    "object": "event",
    "type": "payment_intent.succeeded",
    "created": 1_760_000_000,
    "livemode": False,
    "data": {"object": {"id": "pi_1", "object": "payment_intent", "status": "succeeded", "amount": 1200}},
}
STRANGE: list[Any] = [
    None,
    True,
    0,
    -1,
    2**70,
    1e308,
    "",
    "x" * 300,
    "\x00",
    "\ud800",
    [],
    {},
    [[]],
    "evt_\u202e",
    ["pi_1"],
]
PLACES = [("id",), ("type",), ("created",), ("livemode",), ("data",), ("data", "object"), ("data", "object", "id")]
told: Counter[str] = Counter()


def body(chance: random.Random) -> bytes:
    return json.dumps({**EVENT, "id": f"evt_{chance.getrandbits(64):x}"}).encode()


def with_a_strange_value(chance: random.Random) -> bytes:
    event: Any = json.loads(body(chance))
    *steps, last = chance.choice(PLACES)
    inner = event
    for step in steps:
        inner = inner[step]
    inner[last] = chance.choice(STRANGE)
    return json.dumps(event).encode()


def bytes_changed(chance: random.Random) -> bytes:
    changed = bytearray(body(chance))
    for _ in range(chance.randint(1, 8)):
        place = chance.randrange(len(changed))
        kind = chance.randrange(3)
        changed[place : place + (kind != 1)] = b"" if kind == 2 else bytes([chance.randrange(256)])
    return bytes(changed)


def nested(chance: random.Random) -> bytes:
    depth = chance.choice([50, 5_000, 100_000])
    return b'{"data": ' + b"[" * depth + b"]" * chance.choice([0, depth]) + b"}"


MUTATIONS: list[Callable[[random.Random], bytes]] = [with_a_strange_value, bytes_changed, bytes_changed, nested]


def signatures(chance: random.Random, stripe: StripeSide, sent: bytes) -> str:
    """Make a header that does not hold."""
    good = stripe.sign(sent)
    stamp, _, digest = good.partition(",v1=")
    return chance.choice(
        [
            "",
            stripe.sign(sent + b" "),
            stripe.sign(sent, secret="whsec_of_another"),
            stripe.sign(sent, at=time.time() - 400),
            f"{stamp},v0={digest}",
            f"{stamp},v1={digest[:-1]}",
            f"{stamp},v1={digest.upper()}x",
            f"t=,v1={digest}",
            f"t=99999999999999999999,v1={digest}",
            f"t={'9' * 5000},v1={digest}",
            f"t=-1,v1={digest}",
            f"t=x,v1={digest}",
            f"v1={digest}",
            f"{stamp},v1=\xff\xfe",
            f"{stamp},v1=" + "é" * 64,
            f"{stamp}",
            f"{stamp},v1",
            "=,=,=",
            "," * 500,
            "\x00",
        ]
    )


@pytest.fixture
def door(ground: StripeSide) -> Callable[[bytes, str], Any]:
    client = Client(raise_request_exception=False)

    def send(sent: bytes, header: str) -> Any:
        return client.post(
            "/api/v1/webhooks/stripe", sent, content_type="application/json", headers={"Stripe-Signature": header}
        )

    return send


@pytest.mark.slow
def test_nothing_unsigned_is_stored(door: Callable[[bytes, str], Any], ground: StripeSide) -> None:
    """Bodies of every kind under signatures that do not hold, and signatures of another body."""
    chance, before = random.Random(3), WebhookEvent.objects.count()

    codes: Counter[int] = Counter()
    for number in range(3_500):
        sent = chance.choice(MUTATIONS)(chance) if number % 2 else body(chance)
        codes[door(sent, signatures(chance, ground, sent)).status_code] += 1

    assert codes == {400: 3_500}
    assert WebhookEvent.objects.count() == before
    told["unsigned"] += codes.total()


@pytest.mark.slow
def test_nothing_signed_breaks_us(door: Callable[[bytes, str], Any], ground: StripeSide) -> None:
    """Stripe would not send it; should it, we refuse it, or store it and answer."""
    chance = random.Random(4)

    codes: Counter[int] = Counter()
    for _ in range(1_500):
        sent = chance.choice(MUTATIONS)(chance)
        codes[door(sent, ground.sign(sent)).status_code] += 1

    assert set(codes) <= {200, 400}
    told["signed"] += codes.total()


@pytest.mark.slow
def test_the_figures_are_shown(shown: Shown) -> None:
    """After the others."""
    shown(f"{told.total()} mutated webhooks ({dict(told)}): no 5xx, no row from an unverified sender")
