"""What happens when a buyer submits the hosted page, and when nobody does."""

from collections.abc import Iterator
from dataclasses import dataclass
from functools import partial
from typing import Any

from sandbox import (
    checkout,
    clocks,
    customers,
    errors,
    events,
    fields,
    intents,
    payment_intents,
    payment_methods,
    setup_intents,
    subscriptions,
)
from sandbox.store import Obj, Store


@dataclass(frozen=True, slots=True)
class Form:
    """What a buyer types."""

    card: str
    expiry: tuple[int, int]
    cvc: str | None
    email: str | None = None
    country: str | None = None
    name: str | None = None


def submit(store: Store, id: str, form: Form) -> Obj:
    """Pay a session, and give it as it stands: complete, or open while the bank waits for the buyer.

    Raises the card's refusal; a failed charge stays written, and the buyer may try again.
    """
    session = checkout.find_open(store, id)
    session["_buyer"] = _buyer(store, session, form)
    method = payment_methods.from_form(
        store, form.card, form.expiry, form.cvc, billing_details=_billing(session["_buyer"])
    )
    session = store.put(session)
    pay = {"payment": _pay_once, "subscription": _subscribe, "setup": _set_up}[session["mode"]]
    pay(store, session, method)
    return store.get("checkout.session", id)


def next_page(store: Store, session: Obj) -> str:
    """Give where the buyer goes from here: the bank's page, the shop's thanks, or the payment page again."""
    if session["status"] == "complete":
        return str(session["success_url"] or "").replace("{CHECKOUT_SESSION_ID}", session["id"])
    intent = waiting_intent(store, session)
    if intent and intent["status"] == "requires_action":
        return f"{store.setting('base_url', '')}/3ds/{intent['id']}"
    return f"{store.setting('base_url', '')}/c/pay/{session['id']}"


def waiting_intent(store: Store, session: Obj) -> Obj | None:
    """Give the intent on which an open session waits."""
    if session["_pending_subscription"]:
        return _intent_of_subscription(store, store.get("subscription", session["_pending_subscription"]))
    id = session["payment_intent"] or session["setup_intent"]
    return store.lookup(id) if id else None


def expire(store: Store, session: Obj) -> Obj:
    """End a session that nobody paid, and the payment that it began."""
    expired = store.put(session | {"status": "expired", "url": None})
    events.emit(store, "checkout.session.expired", expired)
    if session["payment_intent"]:
        intent = store.get("payment_intent", session["payment_intent"])
        if intent["status"] in payment_intents.OPEN:
            payment_intents.cancel_intent(store, intent, "expired")
    return expired


@clocks.scheduled
def expiries(store: Store, clock_id: str | None) -> Iterator[clocks.Due]:
    """Give the moments at which open sessions end."""
    for session in store.find("checkout.session", status="open"):
        if clocks.clock_of(store, session["customer"]) == clock_id:
            yield session["expires_at"], partial(expire, store, session)


@payment_intents.when_settled
def follow_payment(store: Store, intent: Obj) -> None:
    """Complete the session whose payment arrived, also when the buyer confirmed at the bank in between."""
    if intent["status"] in {"succeeded", "requires_capture"}:
        for session in store.find("checkout.session", payment_intent=intent["id"], status="open"):
            paid = "paid" if intent["status"] == "succeeded" else "unpaid"
            _complete(store, session, intent["customer"], payment_status=paid)
        for session in store.find("checkout.session", lambda each: bool(each["_pending_subscription"]), status="open"):
            subscription = store.get("subscription", session["_pending_subscription"])
            if subscription["status"] in {"active", "trialing"}:
                _complete_subscribed(store, session, subscription)


@setup_intents.when_settled
def follow_setup(store: Store, intent: Obj) -> None:
    """Complete the session whose card is kept."""
    if intent["status"] == "succeeded":
        for session in store.find("checkout.session", setup_intent=intent["id"], status="open"):
            _complete(store, session, intent["customer"], payment_status="no_payment_required")


def _pay_once(store: Store, session: Obj, method: Obj) -> None:
    if not session["customer"] and _wants_customer(session):
        session = store.put(session | {"customer": _new_customer(store, session)["id"]})
    intent = checkout.payment_intent(store, session)
    store.put(session | {"payment_intent": intent["id"]})
    confirmed = payment_intents.confirm_intent(store, intent, method["id"], return_url=_return_url(store, session))
    if confirmed["status"] == "requires_payment_method":
        intents.raise_failure(store, confirmed, confirmed["last_payment_error"])


def _set_up(store: Store, session: Obj, method: Obj) -> None:
    intent = store.get("setup_intent", session["setup_intent"])
    confirmed = setup_intents.confirm_setup(store, intent, method["id"], return_url=_return_url(store, session))
    if confirmed["status"] == "requires_payment_method":
        intents.raise_failure(store, confirmed, confirmed["last_setup_error"])


def _subscribe(store: Store, session: Obj, method: Obj) -> None:
    """Start the subscription; when the card is refused, nothing of it stays, as no subscription was sold."""
    with store.savepoint():
        customer = session["customer"] or _new_customer(store, session)["id"]
        _keep_card(store, session, method, customer)
        subscription = _started(store, session, customer, method)
        intent = _intent_of_subscription(store, subscription)
        if subscription["status"] == "incomplete" and intent and intent["status"] == "requires_payment_method":
            told = intent["last_payment_error"]
            raise errors.card_declined(
                told["message"], code=told["code"], decline_code=told.get("decline_code"), keeps=False
            )
        session = store.put(session | {"customer": customer, "_pending_subscription": subscription["id"]})
        if subscription["status"] != "incomplete":
            _complete_subscribed(store, session, subscription)
        elif intent:
            payment_intents.come_back_to(store, intent, _return_url(store, session))


def _keep_card(store: Store, session: Obj, method: Obj, customer: str) -> None:
    if not session["amount_total"]:
        payment_methods.attach(store, method, customer)
        return
    # The charge that follows tests the card, and says more of a refusal than attaching would.
    events.emit(store, "payment_method.attached", store.put(method | {"customer": customer}))


def _started(store: Store, session: Obj, customer: str, method: Obj) -> Obj:
    data = session["_subscription_data"]
    known = ("trial_period_days", "trial_end", "metadata", "description", "billing_cycle_anchor")
    return subscriptions.start(
        store,
        customer=customer,
        items=[_sold(line) for line in session["_lines"] if line["recurring"]],
        add_invoice_items=[_sold(line) for line in session["_lines"] if not line["recurring"]] or None,
        default_payment_method=method["id"],
        **{key: data[key] for key in known if key in data},
    )


def _sold(line: Obj) -> Obj:
    return {"price": line["price"], "quantity": line["quantity"], "sold": True}


def _complete_subscribed(store: Store, session: Obj, subscription: Obj) -> None:
    linked = {"subscription": subscription["id"], "invoice": subscription["latest_invoice"]}
    paid = "paid" if session["amount_total"] else "no_payment_required"
    _complete(store, session | linked | {"_pending_subscription": None}, subscription["customer"], payment_status=paid)


def _complete(store: Store, session: Obj, customer: str | None, *, payment_status: str) -> None:
    buyer = session["_buyer"] or {}
    details: Obj = {
        "address": fields.address(buyer.get("address")),
        "business_name": None,
        "email": buyer.get("email"),
        "individual_name": buyer.get("name"),
        "name": buyer.get("name"),
        "phone": None,
        "tax_exempt": "none",
        "tax_ids": [],
    }
    done = {"status": "complete", "payment_status": payment_status, "url": None, "customer_details": details}
    session = store.put(session | done | {"customer": customer})
    events.emit(store, "checkout.session.completed", session)


def _intent_of_subscription(store: Store, subscription: Obj) -> Obj | None:
    payments = store.find("invoice_payment", invoice=subscription["latest_invoice"])
    return store.lookup(payments[0]["payment"]["payment_intent"]) if payments else None


def _wants_customer(session: Obj) -> bool:
    return session["customer_creation"] == "always" or bool(session["_payment_intent_data"].get("setup_future_usage"))


def _new_customer(store: Store, session: Obj) -> Obj:
    buyer = session["_buyer"]
    return customers.make(store, email=buyer["email"], name=buyer["name"], address=buyer["address"])


def _buyer(store: Store, session: Obj, form: Form) -> dict[str, Any]:
    known = store.lookup(session["customer"]) if session["customer"] else None
    email = (known or {}).get("email") or session["customer_email"] or form.email
    if not email:
        raise errors.invalid("Your email is missing.", param="email", code="parameter_missing")
    return {"email": email, "name": form.name or None, "address": {"country": form.country or None}}


def _billing(buyer: dict[str, Any]) -> dict[str, Any]:
    return {key: buyer[key] for key in ("email", "name", "address")}


def _return_url(store: Store, session: Obj) -> str:
    return f"{store.setting('base_url', '')}/c/pay/{session['id']}/return"
