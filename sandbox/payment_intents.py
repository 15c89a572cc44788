"""Payment intents: one payment, over as many tries as it takes."""

from collections.abc import Callable
from typing import Any

from sandbox import cards, charges, currencies, customers, disputes, events, fields, intents, payment_methods
from sandbox.cards import Decline
from sandbox.metadata import merged
from sandbox.store import Obj, Store

# Keys of features that this sandbox has not, or that stay empty until something happens.
NULL_AT_FIRST = """
    application application_fee_amount canceled_at cancellation_reason customer_account
    excluded_payment_method_types last_payment_error latest_charge next_action on_behalf_of payment_method
    payment_method_configuration_details processing review source transfer_data
"""

OPEN = ("requires_payment_method", "requires_confirmation", "requires_action")

CARD_OPTIONS = {
    "installments": None,
    "mandate_options": None,
    "network": None,
    "request_three_d_secure": "automatic",
}
PLAIN = (
    "customer",
    "description",
    "receipt_email",
    "setup_future_usage",
    "statement_descriptor",
    "statement_descriptor_suffix",
    "transfer_group",
)
# Who waits for the end of a try (succeeded, failed, canceled), such as an invoice: their modules register it here.
WHEN_SETTLED: list[Callable[[Store, Obj], None]] = []


def when_settled(follow: Callable[[Store, Obj], None]) -> Callable[[Store, Obj], None]:
    """Register what follows each end of a try, also one that the buyer confirms later on the bank's page.

    `follow` sees the intent as it stands: succeeded, requires_capture, canceled, or requires_payment_method with its
    `last_payment_error`.
    """
    WHEN_SETTLED.append(follow)
    return follow


def create_intent(store: Store, **fields_given: Any) -> Obj:
    """Make a payment intent from the fields of Stripe's create call, without confirming it, and tell of it."""
    currency = currencies.checked(fields_given["currency"])
    currencies.check_charge(fields_given["amount"], currency)
    customer = fields_given.get("customer")
    if customer:
        customers.existing(store, customer)
    id = store.new_id("pi")
    types = fields_given.get("payment_method_types") or ["card"]
    intent: Obj = {
        "id": id,
        "object": "payment_intent",
        **dict.fromkeys(NULL_AT_FIRST.split()),
        "amount": fields_given["amount"],
        "amount_capturable": 0,
        "amount_details": {"tip": {}},
        "amount_received": 0,
        "automatic_payment_methods": _automatic(fields_given),
        "capture_method": fields_given.get("capture_method") or "automatic_async",
        "client_secret": f"{id}_secret_{store.token(25)}",
        "confirmation_method": fields_given.get("confirmation_method") or "automatic",
        "created": store.now(customer),
        "currency": currency,
        "livemode": False,
        "managed_payments": {"enabled": False},
        "metadata": merged({}, fields_given.get("metadata")),
        "payment_method_options": {"card": dict(CARD_OPTIONS)},
        "payment_method_types": types,
        "shipping": fields.shipping(fields_given.get("shipping")),
        "status": "requires_payment_method",
    }
    intent |= fields.chosen(fields_given, **dict.fromkeys(PLAIN))
    if fields_given.get("payment_method"):
        method = intents.method_for(store, intent, fields_given["payment_method"])
        intent |= {"payment_method": method["id"], "status": "requires_confirmation"}
    events.emit(store, "payment_intent.created", store.put(intent))
    return intent


def confirm_intent(
    store: Store,
    intent: Obj,
    payment_method: str | None = None,
    off_session: bool = False,
    return_url: str | None = None,
) -> Obj:
    """Try to charge the card, and give the intent as it stands then; a refusal is in `last_payment_error`."""
    method = intents.method_for(store, intent, payment_method)
    card = payment_methods.card_of(method)
    intent = intent | {"payment_method": method["id"], "last_payment_error": None, "next_action": None}
    if not intents.needs_authentication(card, method, off_session=off_session):
        return _charged(store, intent, method, authenticated=False)
    if off_session:
        return _refused(store, intent, method, cards.AUTHENTICATION_REQUIRED, authenticated=False)
    intent |= {"status": "requires_action", "next_action": intents.next_action(store, intent, return_url)}
    events.emit(store, "payment_intent.requires_action", store.put(intent))
    return intent


def come_back_to(store: Store, intent: Obj, url: str) -> Obj:
    """Set where the buyer goes after the bank's page, for a try that somebody else began."""
    return store.put(intent | {"next_action": intents.next_action(store, intent, url)})


def authenticated(store: Store, intent: Obj, *, success: bool) -> Obj:
    """Go on where the buyer confirmed at the bank, or did not."""
    method = store.get("payment_method", intent["payment_method"])
    intent = intent | {"next_action": None}
    if success:
        return _charged(store, intent, method, authenticated=True)
    told = {
        "code": "payment_intent_authentication_failure",
        "doc_url": "https://stripe.com/docs/error-codes/payment-intent-authentication-failure",
        "message": intents.NOT_AUTHENTICATED,
        "payment_method": intents.failure(store, Decline(), method)["payment_method"],
        "type": "invalid_request_error",
    }
    intent |= {"status": "requires_payment_method", "payment_method": None, "last_payment_error": told}
    events.emit(store, "payment_intent.payment_failed", store.put(intent))
    return _settled(store, intent)


def capture_intent(store: Store, intent: Obj, amount: int) -> Obj:
    """Take the money that an intent holds."""
    charge = charges.capture(store, store.get("charge", intent["latest_charge"]), amount)
    intent = intent | {"status": "succeeded", "amount_capturable": 0, "amount_received": charge["amount_captured"]}
    events.emit(store, "payment_intent.succeeded", store.put(intent))
    return _settled(store, intent)


def cancel_intent(store: Store, intent: Obj, reason: str | None = None) -> Obj:
    """End an intent without money; what it holds is let go."""
    if intent["status"] == "requires_capture":
        charges.release(store, store.get("charge", intent["latest_charge"]))
    ended = {"status": "canceled", "canceled_at": store.now(intent["customer"]), "cancellation_reason": reason}
    intent = intent | ended | {"amount_capturable": 0, "next_action": None}
    events.emit(store, "payment_intent.canceled", store.put(intent))
    return _settled(store, intent)


def _charged(store: Store, intent: Obj, method: Obj, *, authenticated: bool) -> Obj:
    card = payment_methods.card_of(method)
    decline = card.decline or card.charge_decline
    if decline:
        return _refused(store, intent, method, decline, authenticated=authenticated)
    if intent["customer"] and intent["setup_future_usage"] and not method["customer"]:
        method = payment_methods.attach(store, method, intent["customer"])
    method = store.put(method | {"_set_up": method["_set_up"] or authenticated, "_spent": True})
    charge = charges.make(store, intent, method, decline=None, authenticated=authenticated)
    intent = intent | {"latest_charge": charge["id"]}
    if charge["captured"]:
        intent |= {"status": "succeeded", "amount_received": charge["amount"]}
        events.emit(store, "payment_intent.succeeded", store.put(intent))
    else:
        intent |= {"status": "requires_capture", "amount_capturable": charge["amount"]}
        events.emit(store, "payment_intent.amount_capturable_updated", store.put(intent))
    intent = _settled(store, intent)
    if card.dispute:
        disputes.open_dispute(store, charge, card.dispute)
    return intent


def _refused(store: Store, intent: Obj, method: Obj, decline: Decline, *, authenticated: bool) -> Obj:
    charge = charges.make(store, intent, method, decline=decline, authenticated=authenticated)
    told = intents.failure(store, decline, method, charge)
    intent = intent | {"status": "requires_payment_method", "payment_method": None, "latest_charge": charge["id"]}
    events.emit(store, "payment_intent.payment_failed", store.put(intent | {"last_payment_error": told}))
    return _settled(store, intent | {"last_payment_error": told})


def _settled(store: Store, intent: Obj) -> Obj:
    for follow in WHEN_SETTLED:
        follow(store, intent)
    return store.get("payment_intent", intent["id"])


def _automatic(given: dict[str, Any]) -> Obj | None:
    if given.get("payment_method_types"):
        return None
    wanted = given.get("automatic_payment_methods") or {"enabled": True}
    return {"allow_redirects": wanted.get("allow_redirects") or "always", "enabled": wanted["enabled"]}
