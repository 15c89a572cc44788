"""Payment methods: cards that a customer has, or used once."""

from datetime import UTC, datetime
from typing import Any

from sandbox import cards, errors, events, fields, routes
from sandbox.cards import Card
from sandbox.metadata import merged
from sandbox.routes import Call
from sandbox.store import Obj, Store

URL = "/v1/payment_methods"


def make(store: Store, card: Card, *, exp_month: int, exp_year: int, cvc: bool = True, **params: Any) -> Obj:
    """Make the payment method of a card; nobody hears of it."""
    method = {
        "id": store.new_id("pm"),
        "object": "payment_method",
        "allow_redisplay": params.get("allow_redisplay") or "unspecified",
        "billing_details": fields.billing_details(params.get("billing_details")),
        "card": _card_shown(card, exp_month, exp_year, cvc),
        "created": store.now(params.get("customer")),
        "customer": None,
        "customer_account": None,
        "livemode": False,
        "metadata": merged({}, params.get("metadata")),
        "type": "card",
        "_number": card.number,
        "_set_up": False,
        "_spent": False,
    }
    return store.put(method)


def from_form(store: Store, number: str, expiry: tuple[int, int], cvc: str | None, **params: Any) -> Obj:
    """Make a payment method as a buyer types it; raise Stripe's 402 for a number, date or code that cannot be."""
    card = cards.by_number(number)
    month, year = expiry
    year += 2000 if year < 100 else 0
    _check_expiry(store, month, year)
    if cvc is not None and (not cvc.isdigit() or len(cvc) not in {3, 4}):
        message = "Your card's security code is invalid."
        raise errors.card_declined(message, code="invalid_cvc", param="cvc", keeps=False)
    return make(store, card, exp_month=month, exp_year=year, cvc=cvc is not None, **params)


def taken(store: Store, reference: str, *, param: str = "payment_method") -> Obj:
    """Give the payment method of an id, or a new one for a test name such as pm_card_visa."""
    card = cards.by_token(reference)
    if card is None:
        return store.get("payment_method", reference, param=param)
    year = datetime.fromtimestamp(store.now(), UTC).year + 1
    return make(store, card, exp_month=8, exp_year=year)


def card_of(method: Obj) -> Card:
    """Give the test card behind a payment method."""
    return cards.by_number(method["_number"])


def attach(store: Store, method: Obj, customer: str) -> Obj:
    """Give a payment method to a customer; raise for one that another has, that is spent, or that the bank refuses."""
    if method["customer"] == customer:
        return method
    if method["customer"]:
        raise errors.invalid("The payment method you provided has already been attached to a customer.")
    if method["_spent"]:
        message = (
            "This PaymentMethod was previously used without being attached to a Customer or was detached from a "
            "Customer, and may not be used again."
        )
        raise errors.invalid(message)
    decline = card_of(method).decline
    if decline:
        raise errors.card_declined(
            decline.message, code=decline.code, decline_code=decline.decline_code, param="", keeps=False
        )
    attached = store.put(method | {"customer": customer})
    events.emit(store, "payment_method.attached", attached)
    return attached


def detach(store: Store, method: Obj) -> Obj:
    """Take a payment method from its customer, for good."""
    customer = store.get("customer", method["customer"])
    settings = customer.get("invoice_settings") or {}
    if settings.get("default_payment_method") == method["id"]:
        new = store.put(customer | {"invoice_settings": settings | {"default_payment_method": None}})
        events.emit(store, "customer.updated", new, {"invoice_settings": settings})
    detached = store.put(method | {"customer": None, "_spent": True})
    events.emit(store, "payment_method.detached", detached, {"customer": customer["id"]})
    return detached


@routes.route("POST", URL, params="PaymentMethodCreateParams")
def create(call: Call) -> Obj:
    given = call.params.get("card") or {}
    if call.params.get("type") != "card":
        raise errors.invalid("This sandbox knows payment methods of type `card` alone.", param="type")
    extra = {key: call.params.get(key) for key in ("allow_redisplay", "billing_details", "metadata")}
    if given.get("token"):
        made = taken(call.store, given["token"], param="card[token]")
        known = {"billing_details": fields.billing_details(extra["billing_details"])}
        return call.store.put(made | known | {"metadata": merged({}, extra["metadata"])})
    for key in ("number", "exp_month", "exp_year"):
        if not given.get(key):
            message = f"Missing required param: card[{key}]."
            raise errors.invalid(message, param=f"card[{key}]", code="parameter_missing")
    return from_form(call.store, given["number"], (given["exp_month"], given["exp_year"]), given.get("cvc"), **extra)


@routes.route("GET", URL, params="PaymentMethodListParams")
def list_all(call: Call) -> Obj:
    equal = {key: call.params[key] for key in ("customer", "type") if key in call.params}
    return routes.listing(call, call.store.find("payment_method", **equal) if "customer" in equal else [], URL)


@routes.route("GET", URL + "/<id>", params="PaymentMethodRetrieveParams")
def retrieve(call: Call) -> Obj:
    return taken(call.store, call.path["id"], param="id")


@routes.route("POST", URL + "/<id>", params="PaymentMethodUpdateParams")
def update(call: Call) -> Obj:
    method = call.store.get("payment_method", call.path["id"])
    new = fields.changed(method, call.params, "allow_redisplay")
    if "billing_details" in call.params:
        new["billing_details"] = fields.billing_details(method["billing_details"] | call.params["billing_details"])
    if "card" in call.params:
        new["card"] = method["card"] | fields.changed(method["card"], call.params["card"], "exp_month", "exp_year")
    new["metadata"] = merged(method["metadata"], call.params.get("metadata"))
    changes = events.changes(method, new)
    if changes:
        events.emit(call.store, "payment_method.updated", call.store.put(new), changes)
    return new


@routes.route("POST", URL + "/<id>/attach", params="PaymentMethodAttachParams")
def attach_to_customer(call: Call) -> Obj:
    method = taken(call.store, call.path["id"], param="id")
    customer = call.params.get("customer") or ""
    owner = call.store.get("customer", customer, param="customer")
    if owner.get("deleted"):
        raise errors.missing("customer", customer, "customer")
    return attach(call.store, method, customer)


@routes.route("POST", URL + "/<id>/detach", params="PaymentMethodDetachParams")
def detach_from_customer(call: Call) -> Obj:
    method = call.store.get("payment_method", call.path["id"])
    if not method["customer"]:
        message = "The payment method you provided is not attached to a customer so detachment is impossible."
        raise errors.invalid(message)
    return detach(call.store, method)


def _check_expiry(store: Store, month: int, year: int) -> None:
    if not 1 <= month <= 12:
        message = "Your card's expiration month is invalid."
        raise errors.card_declined(message, code="invalid_expiry_month", param="exp_month", keeps=False)
    now = datetime.fromtimestamp(store.now(), UTC)
    if (year, month) < (now.year, now.month) or year > now.year + 50:
        message = "Your card's expiration year is invalid."
        raise errors.card_declined(message, code="invalid_expiry_year", param="exp_year", keeps=False)


def _card_shown(card: Card, exp_month: int, exp_year: int, cvc: bool) -> Obj:
    return {
        "brand": card.brand,
        "checks": {
            "address_line1_check": None,
            "address_postal_code_check": None,
            "cvc_check": "pass" if cvc else None,
        },
        "country": card.country,
        "display_brand": card.brand,
        "exp_month": exp_month,
        "exp_year": exp_year,
        "fingerprint": card.fingerprint,
        "funding": card.funding,
        "generated_from": None,
        "last4": card.last4,
        "networks": {"available": [card.brand], "preferred": None},
        "regulated_status": "unregulated",
        "three_d_secure_usage": {"supported": True},
        "wallet": None,
    }
