"""Charges: one try to take money from a card."""

from typing import Any

from sandbox import balance, cards, events, fields, payment_methods, rendering, routes
from sandbox.cards import Decline
from sandbox.metadata import merged
from sandbox.routes import Call
from sandbox.store import Obj, Store

# Keys of features that this sandbox has not, or that stay empty until something happens.
NULL_AT_FIRST = """
    application application_fee application_fee_amount balance_transaction failure_balance_transaction
    on_behalf_of receipt_number receipt_url review source source_transfer transfer_data
"""

URL = "/v1/charges"
DESCRIPTOR = "SANDBOX"
# What Stripe advises after a bank's refusal (docs.stripe.com/declines/codes).
ADVICE = {
    "insufficient_funds": "try_again_later",
    "processing_error": "try_again_later",
    "card_velocity_exceeded": "try_again_later",
    "lost_card": "do_not_try_again",
    "stolen_card": "do_not_try_again",
    "expired_card": "confirm_card_data",
    "incorrect_cvc": "confirm_card_data",
}


def make(store: Store, intent: Obj, method: Obj, *, decline: Decline | None, authenticated: bool) -> Obj:
    """Write the charge of an intent's try, and tell of it; money that is captured reaches the balance."""
    charge = _blank(store, intent, method, decline) | {
        "payment_method_details": {"card": _card_details(method, intent["amount"], authenticated), "type": "card"}
    }
    if decline is None:
        charge["receipt_url"] = f"{store.setting('base_url', '')}/receipts/{charge['id']}"
    if charge["captured"]:
        charge["balance_transaction"] = _income(store, charge)["id"]
    store.put(charge)
    events.emit(store, "charge.failed" if decline else "charge.succeeded", charge)
    return charge


def capture(store: Store, charge: Obj, amount: int) -> Obj:
    """Take the money that a charge holds, all or a part; the rest goes back."""
    charge |= {"amount_captured": amount, "captured": True}
    charge["amount_refunded"] = charge["amount"] - amount
    charge["balance_transaction"] = _income(store, charge)["id"]
    events.emit(store, "charge.captured", store.put(charge))
    return charge


def release(store: Store, charge: Obj) -> Obj:
    """Let the money go that a charge holds."""
    charge |= {"amount_refunded": charge["amount"], "refunded": True}
    events.emit(store, "charge.refunded", store.put(charge), {"amount_refunded": 0, "refunded": False})
    return charge


@routes.route("GET", URL, params="ChargeListParams")
def list_all(call: Call) -> Obj:
    equal = {key: call.params[key] for key in ("customer", "payment_intent", "transfer_group") if key in call.params}
    return routes.listing(call, call.store.newest("charge", **equal), URL)


@routes.route("GET", URL + "/<id>", params="ChargeRetrieveParams")
def retrieve(call: Call) -> Obj:
    return call.store.get("charge", call.path["id"])


@routes.route("POST", URL + "/<id>", params="ChargeUpdateParams")
def update(call: Call) -> Obj:
    charge = call.store.get("charge", call.path["id"])
    new = fields.changed(charge, call.params, "description", "fraud_details", "receipt_email", "transfer_group")
    new["metadata"] = merged(charge["metadata"], call.params.get("metadata"))
    changes = events.changes(charge, new)
    if changes:
        events.emit(call.store, "charge.updated", call.store.put(new), changes)
    return new


@routes.route("GET", URL + "/<id>/refunds", params="ChargeListRefundsParams")
def list_refunds(call: Call) -> Obj:
    charge = call.store.get("charge", call.path["id"])
    return routes.listing(call, call.store.find("refund", charge=charge["id"]), f"{URL}/{charge['id']}/refunds")


@rendering.includes("charge", "refunds")
def refunds_of(store: Store, charge: Obj) -> Obj:
    return rendering.short_list(store.find("refund", charge=charge["id"]), f"{URL}/{charge['id']}/refunds")


def _blank(store: Store, intent: Obj, method: Obj, decline: Decline | None) -> Obj:
    captured = decline is None and intent["capture_method"] != "manual"
    return {
        "id": store.new_id("ch"),
        "object": "charge",
        **dict.fromkeys(NULL_AT_FIRST.split()),
        "amount": intent["amount"],
        "amount_captured": intent["amount"] if captured else 0,
        "amount_refunded": 0,
        "billing_details": method["billing_details"],
        "calculated_statement_descriptor": DESCRIPTOR,
        "captured": captured,
        "created": store.now(intent["customer"]),
        "currency": intent["currency"],
        "customer": intent["customer"],
        "description": intent["description"],
        "disputed": False,
        "failure_code": decline.code if decline else None,
        "failure_message": decline.message if decline else None,
        "fraud_details": {},
        "livemode": False,
        "metadata": dict(intent["metadata"]),
        "outcome": _outcome(decline),
        "paid": decline is None,
        "payment_intent": intent["id"],
        "payment_method": method["id"],
        "radar_options": {},
        "receipt_email": intent["receipt_email"],
        "refunded": False,
        "shipping": intent["shipping"],
        "statement_descriptor": intent["statement_descriptor"],
        "statement_descriptor_suffix": intent["statement_descriptor_suffix"],
        "status": "failed" if decline else "succeeded",
        "transfer_group": intent["transfer_group"],
    }


def _income(store: Store, charge: Obj) -> Obj:
    amount = charge["amount_captured"]
    return balance.record(
        store, "charge", amount, charge, fee=balance.card_fee(amount), description=charge["description"]
    )


def _outcome(decline: Decline | None) -> dict[str, Any]:
    told: tuple[str | int | None, ...]
    if decline is None:
        told = ("approved_by_network", None, "normal", 20, "Payment complete.", "authorized")
    elif decline.blocked:
        told = ("not_sent_to_network", "highest_risk_level", "highest", 92, "Stripe blocked this payment.", "blocked")
    else:
        sentence = "The bank did not return any further details with this decline."
        told = ("declined_by_network", reason(decline), "normal", 20, sentence, "issuer_declined")
    names = ("network_status", "reason", "risk_level", "risk_score", "seller_message", "type")
    advice = ADVICE.get(reason(decline)) if decline else None
    nothing = {"network_advice_code": None, "network_decline_code": None}
    return {"advice_code": advice} | nothing | dict(zip(names, told, strict=True))


def reason(decline: Decline) -> str:
    """Give the bank's word where it said one, else Stripe's code."""
    return decline.decline_code or decline.code


def _card_details(method: Obj, amount: int, authenticated: bool) -> dict[str, Any]:
    card, known = method["card"], payment_methods.card_of(method)
    shown = {
        key: card[key] for key in ("brand", "checks", "country", "exp_month", "exp_year", "fingerprint", "funding")
    }
    wrong_cvc = known.decline == cards.WRONG_CVC
    return shown | {
        "amount_authorized": amount,
        "authorization_code": None,
        "checks": card["checks"] | ({"cvc_check": "fail"} if wrong_cvc else {}),
        "extended_authorization": {"status": "disabled"},
        "incremental_authorization": {"status": "unavailable"},
        "installments": None,
        "last4": card["last4"],
        "mandate": None,
        "multicapture": {"status": "unavailable"},
        "network": card["brand"],
        "network_token": {"used": False},
        "network_transaction_id": None,
        "overcapture": {"maximum_amount_capturable": amount, "status": "unavailable"},
        "regulated_status": card["regulated_status"],
        "three_d_secure": _three_d_secure() if authenticated else None,
        "transaction_link_id": None,
        "wallet": None,
    }


def _three_d_secure() -> dict[str, Any]:
    return {
        "authentication_flow": "challenge",
        "electronic_commerce_indicator": "05",
        "exemption_indicator": None,
        "result": "authenticated",
        "result_reason": None,
        "transaction_id": None,
        "version": "2.2.0",
    }
