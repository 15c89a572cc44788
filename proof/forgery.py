"""Line 6: webhooks that are not Stripe's."""

from __future__ import annotations

import hashlib
import hmac
import json
import secrets
import time

import httpx

from proof import metrics
from proof.expecting import same, true
from proof.lines import Figures, line
from proof.run import Run

PATH = "/api/v1/webhooks/stripe"
AN_HOUR = 3600
A_MEGABYTE = 1024 * 1024


@line(6, "A forged signature, an old timestamp, a 1 MB body: refused, nothing stored")
def forgery(run: Run) -> Figures:
    """Each is refused at the door, and the count of stored webhooks stays."""
    # A true webhook that arrives meanwhile would be counted with the forged ones.
    run.await_quiet()
    before, secret = sum(metrics.webhooks(run.settings).values()), run.settings.webhook_secret
    body = _event()
    now = int(time.time())
    signed = _signature(body, secret, at=now)
    tries = {
        "no signature": (body, ""),
        "another secret": (body, _signature(body, "whsec_forged", at=now)),
        "a changed body": (body.replace(b'"livemode": false', b'"livemode": true '), signed),
        "signed an hour ago": (body, _signature(body, secret, at=now - AN_HOUR)),
        "1 MB, well signed": (_event(padding=A_MEGABYTE), None),
    }
    for name, (sent, header) in tries.items():
        status = _send(run, sent, _signature(sent, secret, at=now) if header is None else header)
        true(name, status in {400, 413}, status, expected="400 or 413")
        yield f"{name}: {status}"
    same("webhooks stored", before, sum(metrics.webhooks(run.settings).values()))
    yield f"webhooks stored before and after: {before}"


def _event(*, padding: int = 0) -> bytes:
    intent = {"id": f"pi_forged{secrets.token_hex(6)}", "object": "payment_intent", "status": "succeeded"}
    event = {
        "id": f"evt_forged{secrets.token_hex(6)}",
        "object": "event",
        "type": "payment_intent.succeeded",
        "created": int(time.time()),
        "livemode": False,
        "data": {"object": {**intent, "description": "x" * padding}},
    }
    return json.dumps(event).encode()


def _signature(body: bytes, secret: str, *, at: int) -> str:
    """Sign as Stripe does (docs.stripe.com/webhooks, "Verify webhook signatures manually")."""
    digest = hmac.new(secret.encode(), f"{at}.".encode() + body, hashlib.sha256).hexdigest()
    return f"t={at},v1={digest}"


def _send(run: Run, body: bytes, signature: str) -> int:
    headers = {"Content-Type": "application/json", **({"Stripe-Signature": signature} if signature else {})}
    return httpx.post(run.settings.url + PATH, content=body, headers=headers, timeout=30, trust_env=False).status_code
