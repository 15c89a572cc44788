"""Line 12: our books against Stripe's."""

from __future__ import annotations

import json
import subprocess
import sys
from typing import Any

import stripe

from proof.expecting import Differs, same
from proof.lines import Figures, line
from proof.run import Run

SINCE = "2h"
COMMAND = ("manage.py", "reconcile_stripe", "--since", SINCE, "--dry-run", "--json")
# What we call a payment that Stripe calls so.
NAMES = {
    "succeeded": {"succeeded", "refunded", "partially_refunded"},
    "requires_payment_method": {"failed", "pending"},
    "requires_action": {"requires_action"},
    "processing": {"processing"},
    "canceled": {"canceled"},
}
Entry = tuple[int, str, int]


@line(12, "Our books against Stripe's: 0 differences")
def books(run: Run) -> Figures:
    """Farebox compares by itself; then its list of payments is held against Stripe's, for every user of this run."""
    run.await_quiet()
    found = _reconciled(run)
    same("differences that Farebox finds", [], found["differences"])
    yield f"manage.py reconcile_stripe --since {SINCE}: compared {_counts(found)}; 0 differences"
    ours, theirs = _ours(run), _theirs(run)
    same("payments known on both sides", set(theirs), set(ours))
    for intent, entry in ours.items():
        _alike(intent, entry, theirs[intent])
    yield f"over HTTP: {len(ours)} payments of {len(run.people)} users on both sides, 0 differences"


def _reconciled(run: Run) -> dict[str, Any]:
    command = [sys.executable, *COMMAND]
    done = subprocess.run(command, cwd=run.settings.root, capture_output=True, text=True, timeout=300, check=False)
    try:
        found: dict[str, Any] = json.loads(done.stdout)
    except ValueError:
        said = (done.stderr or done.stdout)[-600:]
        raise Differs(" ".join(COMMAND), "JSON", f"exit code {done.returncode}, {said}") from None
    return found


def _counts(found: dict[str, Any]) -> str:
    return ", ".join(f"{count} {name.replace('_', ' ')}" for name, count in found["compared"].items())


def _ours(run: Run) -> dict[str, tuple[Entry, str]]:
    mine = {person.id for person in run.people}
    rows = [row for row in run.service.pages("payments") if row["user_id"] in mine and row["external_payment_id"]]
    return {row["external_payment_id"]: (_entry_here(row), row["status"]) for row in rows}


def _theirs(run: Run) -> dict[str, tuple[Entry, str]]:
    customers = {str(run.stripe.session(id).customer) for person in run.people for id in person.sessions}
    intents = [intent for customer in sorted(customers) for intent in run.stripe.intents_of(customer)]
    return {intent.id: (_entry_there(intent), intent.status) for intent in intents}


def _entry_here(row: dict[str, Any]) -> Entry:
    return row["amount"], row["currency"].lower(), row["amount_refunded"]


def _entry_there(intent: stripe.PaymentIntent) -> Entry:
    charge = intent.latest_charge
    return intent.amount, intent.currency, charge.amount_refunded if isinstance(charge, stripe.Charge) else 0


def _alike(intent: str, ours: tuple[Entry, str], theirs: tuple[Entry, str]) -> None:
    same(f"amount, currency, refunded of {intent}", theirs[0], ours[0])
    if ours[1] not in NAMES.get(theirs[1], set()):
        raise Differs(f"status of {intent}", theirs[1], ours[1])
