"""Line 10: the money goes back, and the access with it."""

from __future__ import annotations

from typing import Any

import stripe

from proof.client import new_key
from proof.expecting import same, true, until
from proof.lines import Figures, line
from proof.purchase import FEATURE
from proof.run import Run

# What must stand in the history of one who bought and was refunded, in this order.
STORY = (
    "checkout.session.created",
    "payment.created",
    "payment.completed",
    "entitlement.created",
    "refund.requested",
    "refund.succeeded",
    "entitlement.revoked",
)


@line(10, "A full refund of a one-time purchase: access gone, history tells the whole story", needs_sandbox=True)
def refund(run: Run) -> Figures:
    """An admin gives back what line 3 paid."""
    purchase, payment = run.paid()
    person = purchase.person
    body = {"payment_id": payment["id"], "reason": "requested_by_customer"}
    made = run.admin.post("refunds", body, key=new_key()).json()
    same("amount of the refund", payment["amount"], made["amount"])
    check = until("check", lambda: person.check(FEATURE), lambda found: not found["allowed"], expected="no access")
    same("reason of the check", "revoked", check["reason_code"])
    shown = until("payment", person.payments, lambda found: found[0]["status"] == "refunded", expected="refunded")[0]
    charge = run.stripe.intent(payment["external_payment_id"]).latest_charge
    back = charge.amount_refunded if isinstance(charge, stripe.Charge) else None
    same("given back on Stripe's side", payment["amount"], back)
    yield f"{made['amount']} {made['currency']} given back; payment {shown['status']}; check: {check['reason_code']}"
    history = person.history()
    same("numbers of the history", list(range(1, len(history) + 1)), [row["sequence"] for row in history])
    _told(history)
    yield f"{len(history)} lines of history: {_short(history)}"


def _told(history: list[dict[str, Any]]) -> None:
    types = [row["type"] for row in history]
    places = [types.index(type) if type in types else -1 for type in STORY]
    true("the story", -1 not in places and places == sorted(places), types, expected=f"in this order: {STORY}")


def _short(history: list[dict[str, Any]]) -> str:
    """Tell the story with repeats counted: `entitlement.created x 5`."""
    told: list[tuple[str, int]] = []
    for row in history:
        if told and told[-1][0] == row["type"]:
            told[-1] = (row["type"], told[-1][1] + 1)
        else:
            told.append((row["type"], 1))
    return ", ".join(type if count == 1 else f"{type} x {count}" for type, count in told)
