"""Setup intents: a card kept for later, without money."""

from collections.abc import Callable
from typing import Any

from sandbox import customers, events, fields, intents, payment_methods, routes
from sandbox.cards import Decline
from sandbox.metadata import merged
from sandbox.routes import Call
from sandbox.store import Obj, Store

# Keys of features that this sandbox has not, or that stay empty until something happens.
NULL_AT_FIRST = """
    application cancellation_reason customer_account excluded_payment_method_types flow_directions
    last_setup_error latest_attempt mandate next_action on_behalf_of payment_method
    payment_method_configuration_details single_use_mandate
"""

URL = "/v1/setup_intents"

# Who waits for the end of a try: their modules register it here.
WHEN_SETTLED: list[Callable[[Store, Obj], None]] = []


def when_settled(follow: Callable[[Store, Obj], None]) -> Callable[[Store, Obj], None]:
    """Register what follows each end of a try; `follow` sees the intent as it stands."""
    WHEN_SETTLED.append(follow)
    return follow


def create_setup(store: Store, **params: Any) -> Obj:
    """Make a setup intent from the parameters of Stripe's create call, without confirming it, and tell of it."""
    customer = params.get("customer")
    if customer:
        customers.existing(store, customer)
    id = store.new_id("seti")
    types = params.get("payment_method_types")
    automatic = params.get("automatic_payment_methods") or {"enabled": True}
    intent: Obj = {
        "id": id,
        "object": "setup_intent",
        **dict.fromkeys(NULL_AT_FIRST.split()),
        "automatic_payment_methods": None
        if types
        else {"allow_redirects": automatic.get("allow_redirects") or "always", "enabled": automatic["enabled"]},
        "client_secret": f"{id}_secret_{store.token(25)}",
        "created": store.now(customer),
        "customer": customer,
        "description": params.get("description") or None,
        "livemode": False,
        "metadata": merged({}, params.get("metadata")),
        "payment_method_options": {
            "card": {"mandate_options": None, "network": None, "request_three_d_secure": "automatic"}
        },
        "payment_method_types": types or ["card"],
        "status": "requires_payment_method",
        "usage": params.get("usage") or "off_session",
    }
    if params.get("payment_method"):
        method = intents.method_for(store, intent, params["payment_method"])
        intent |= {"payment_method": method["id"], "status": "requires_confirmation"}
    events.emit(store, "setup_intent.created", store.put(intent))
    return intent


def confirm_setup(store: Store, intent: Obj, payment_method: str | None = None, return_url: str | None = None) -> Obj:
    """Try to keep the card, and give the intent as it stands then; a refusal is in `last_setup_error`."""
    method = intents.method_for(store, intent, payment_method)
    card = payment_methods.card_of(method)
    intent = intent | {"payment_method": method["id"], "last_setup_error": None, "next_action": None}
    if card.decline:
        return _refused(store, intent, intents.failure(store, card.decline, method))
    if intents.needs_authentication(card, method, off_session=False) and card.authentication:
        intent |= {"status": "requires_action", "next_action": intents.next_action(store, intent, return_url)}
        events.emit(store, "setup_intent.requires_action", store.put(intent))
        return intent
    return _succeeded(store, intent, method)


def authenticated(store: Store, intent: Obj, *, success: bool) -> Obj:
    """Go on where the buyer confirmed at the bank, or did not."""
    method = store.get("payment_method", intent["payment_method"])
    intent = intent | {"next_action": None}
    if success:
        return _succeeded(store, intent, method)
    told = intents.failure(
        store, Decline("setup_intent_authentication_failure", None, intents.NOT_AUTHENTICATED), method
    )
    return _refused(store, intent, told | {"type": "invalid_request_error"})


@routes.route("POST", URL, params="SetupIntentCreateParams")
def create(call: Call) -> Obj:
    fields.refuse(call.params, "confirmation_token", "on_behalf_of", "payment_method_data", "single_use")
    intent = create_setup(call.store, **call.params)
    return _confirmed(call, intent) if call.params.get("confirm") else intent


@routes.route("GET", URL, params="SetupIntentListParams")
def list_all(call: Call) -> Obj:
    equal = {key: call.params[key] for key in ("customer", "payment_method") if key in call.params}
    return routes.listing(call, call.store.newest("setup_intent", **equal), URL)


@routes.route("GET", URL + "/<id>", params="SetupIntentRetrieveParams")
def retrieve(call: Call) -> Obj:
    return call.store.get("setup_intent", call.path["id"])


@routes.route("POST", URL + "/<id>", params="SetupIntentUpdateParams")
def update(call: Call) -> Obj:
    intent = call.store.get("setup_intent", call.path["id"])
    intents.check_status(call.store, intent, "update", intents.CONFIRMABLE)
    new = fields.changed(intent, call.params, "customer", "description")
    if call.params.get("payment_method"):
        method = intents.method_for(call.store, new, call.params["payment_method"])
        new |= {"payment_method": method["id"], "status": "requires_confirmation"}
    new["metadata"] = merged(intent["metadata"], call.params.get("metadata"))
    return call.store.put(new)


@routes.route("POST", URL + "/<id>/confirm", params="SetupIntentConfirmParams")
def confirm(call: Call) -> Obj:
    intent = call.store.get("setup_intent", call.path["id"])
    intents.check_status(call.store, intent, "confirm", intents.CONFIRMABLE)
    return _confirmed(call, intent)


@routes.route("POST", URL + "/<id>/cancel", params="SetupIntentCancelParams")
def cancel(call: Call) -> Obj:
    intent = call.store.get("setup_intent", call.path["id"])
    intents.check_status(call.store, intent, "cancel", intents.CONFIRMABLE)
    reason = call.params.get("cancellation_reason")
    intent |= {"status": "canceled", "cancellation_reason": reason, "next_action": None}
    events.emit(call.store, "setup_intent.canceled", call.store.put(intent))
    return intent


def _confirmed(call: Call, intent: Obj) -> Obj:
    confirmed = confirm_setup(
        call.store, intent, call.params.get("payment_method"), return_url=call.params.get("return_url")
    )
    error = confirmed["last_setup_error"]
    if error and confirmed["status"] == "requires_payment_method":
        intents.raise_failure(call.store, confirmed, error)
    return confirmed


def _succeeded(store: Store, intent: Obj, method: Obj) -> Obj:
    if intent["customer"] and not method["customer"]:
        method = payment_methods.attach(store, method, intent["customer"])
    store.put(method | {"_set_up": True})
    intent = store.put(intent | {"status": "succeeded"})
    events.emit(store, "setup_intent.succeeded", intent)
    return _settled(store, intent)


def _refused(store: Store, intent: Obj, told: dict[str, Any]) -> Obj:
    intent = intent | {"status": "requires_payment_method", "payment_method": None, "last_setup_error": told}
    events.emit(store, "setup_intent.setup_failed", store.put(intent))
    return _settled(store, intent)


def _settled(store: Store, intent: Obj) -> Obj:
    for follow in WHEN_SETTLED:
        follow(store, intent)
    return store.get("setup_intent", intent["id"])
