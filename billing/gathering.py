"""What one look fetches: the object asked for and those that hang on it, each of them once."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from typing import Any

from billing import gateway, invoices, payment_methods
from billing.at_stripe import disputes
from billing.at_stripe import payments as intents
from billing.at_stripe import refunds as given_back
from billing.at_stripe.invoices import with_all_lines

Object = dict[str, Any]
# What Stripe lists in part only, as it expands it.
COMPLETE: dict[str, Callable[[Object], Object]] = {
    "invoice": with_all_lines,
    "payment_intent": given_back.completed,
}


class Gathering:
    """Objects as they are at Stripe at the time of one look. Raises StripeUnknown and StripeRefused."""

    def __init__(self) -> None:
        self.seen: dict[str, Object | None] = {}

    def gather(self, stripe_id: str) -> Iterator[Object]:
        """Fetch the object and those that hang on it: session, subscription, invoice, intent, disputes."""
        found = self._fetched(stripe_id)
        if found is None:
            return
        if found["object"] == "payment_intent" and (invoice := _unnamed_invoice(found)):
            # With its subscription, which may not be here yet: else a success seen now would be nobody's.
            yield from self.gather(invoice)
            return
        yield intents.completed(found) if found["object"] == "payment_intent" else found
        yield from self._hanging_on(found)

    def _hanging_on(self, found: Object) -> Iterator[Object]:
        match found["object"]:
            case "checkout.session":
                for inner in (found["subscription"], found["payment_intent"]):
                    if inner:
                        yield from self.gather(inner)
            case "subscription":
                if found["latest_invoice"]:
                    yield from self._invoice(found["latest_invoice"])
            case "customer":
                # Not expanded: one that is deleted has nothing to expand.
                method = (found.get("invoice_settings") or {}).get("default_payment_method")
                if method and not payment_methods.is_known(method):
                    yield from self._alone(method)
            case "invoice":
                if subscription := invoices.subscription_of(found):
                    yield from self._alone(subscription)
                yield from self._paying(found)
            case "payment_intent":
                yield from disputes.of_intent(found)

    def _invoice(self, stripe_id: str) -> Iterator[Object]:
        for invoice in self._alone(stripe_id):
            yield invoice
            yield from self._paying(invoice)

    def _paying(self, invoice: Object) -> Iterator[Object]:
        for payment in invoice["payments"]["data"]:
            if intent := payment["payment"].get("payment_intent"):
                yield from self._alone(intent)

    def _alone(self, stripe_id: str) -> Iterator[Object]:
        if found := self._fetched(stripe_id):
            yield found
            if found["object"] == "payment_intent":
                yield from disputes.of_intent(found)

    def _fetched(self, stripe_id: str) -> Object | None:
        if stripe_id not in self.seen:
            self._keep(stripe_id, gateway.fetch(stripe_id))
        return self.seen[stripe_id]

    def _keep(self, stripe_id: str, found: Object | None) -> None:
        if found and found["object"] == "subscription" and isinstance(invoice := found["latest_invoice"], dict):
            found["latest_invoice"] = invoice["id"]
            if invoice["id"] not in self.seen:
                self._keep(invoice["id"], invoice)
        complete = COMPLETE.get(found["object"]) if found else None
        self.seen[stripe_id] = complete(found) if found and complete else found


def _unnamed_invoice(intent: Object) -> str | None:
    ours = gateway.our_id(intent, "checkout_id") or gateway.our_id(intent, "payment_id")
    return None if ours else gateway.invoice_of(intent["id"])
