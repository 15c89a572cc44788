"""Refunds: money back, all of it or a part."""

from collections.abc import Iterator
from functools import partial

from sandbox import balance, clocks, currencies, errors, events, fields, payment_methods, routes
from sandbox.metadata import merged
from sandbox.routes import Call
from sandbox.store import Obj, Store

URL = "/v1/refunds"
# How long a bank takes to accept a pending refund, or to send one back.
DAYS_AT_BANK = 5


def make(store: Store, charge: Obj, amount: int | None, **params: object) -> Obj:
    """Give back an amount of a charge, the rest of it when none is named; raise Stripe's 400 beyond what is left."""
    left = charge["amount"] - charge["amount_refunded"]
    wanted = left if amount is None else amount
    _check(charge, wanted, left)
    behaviour = payment_methods.card_of(store.get("payment_method", charge["payment_method"])).refund
    refund: Obj = {
        "id": store.new_id("re"),
        "object": "refund",
        "amount": wanted,
        "balance_transaction": None,
        "charge": charge["id"],
        "created": store.now(charge["customer"]),
        "currency": charge["currency"],
        "customer": charge["customer"],
        "customer_account": None,
        "destination_details": {"card": _destination(behaviour), "type": "card"},
        "metadata": merged({}, params.get("metadata")),
        "payment_intent": charge["payment_intent"],
        "payment_method": charge["payment_method"],
        "reason": params.get("reason"),
        "receipt_number": None,
        "source_transfer_reversal": None,
        "status": "pending" if behaviour == "pending" else "succeeded",
        "transfer_reversal": None,
    }
    if behaviour == "pending":
        refund["pending_reason"] = "processing"
    if behaviour:
        refund["_due_at"] = refund["created"] + DAYS_AT_BANK * 86400
    refund["balance_transaction"] = balance.record(
        store, "refund", -wanted, refund, description="REFUND FOR CHARGE" + f" ({charge['description'] or ''})"
    )["id"]
    events.emit(store, "refund.created", store.put(refund))
    _move(store, charge, wanted, "charge.refunded")
    return refund


def fail(store: Store, refund: Obj, reason: str = "expired_or_canceled_card") -> Obj:
    """Let the bank send a refund back, as it may days later; the charge counts it no more."""
    if refund["status"] not in {"pending", "succeeded"}:
        raise errors.invalid(f"A refund that is {refund['status']} cannot fail.", param="id")
    before = refund["status"]
    returned = balance.record(store, "refund_failure", refund["amount"], refund, description="REFUND FAILURE")
    failed = {"status": "failed", "failure_reason": reason, "failure_balance_transaction": returned["id"]}
    refund = store.put({key: value for key, value in refund.items() if key != "pending_reason"} | failed)
    charge = store.get("charge", refund["charge"])
    _move(store, charge, -refund["amount"], "charge.updated")
    events.emit(store, "refund.updated", refund, {"status": before})
    events.emit(store, "charge.refund.updated", refund, {"status": before})
    events.emit(store, "refund.failed", refund)
    return refund


def settle(store: Store, refund: Obj) -> Obj:
    """Let a pending refund arrive."""
    settled = {key: value for key, value in refund.items() if key != "pending_reason"} | {"status": "succeeded"}
    events.emit(store, "refund.updated", store.put(settled), {"status": "pending"})
    events.emit(store, "charge.refund.updated", settled, {"status": "pending"})
    return settled


@clocks.scheduled
def arrivals(store: Store, clock_id: str | None) -> Iterator[clocks.Due]:
    """Give the moments at which banks answer refunds."""
    for refund in store.find("refund", lambda each: each.get("_due_at") is not None):
        if clocks.clock_of(store, refund["customer"]) == clock_id:
            yield refund["_due_at"], partial(_answered, store, refund)


def _answered(store: Store, refund: Obj) -> None:
    refund = store.put(refund | {"_due_at": None})
    if refund["status"] == "pending":
        settle(store, refund)
    elif refund["status"] == "succeeded":
        fail(store, refund)


@routes.route("POST", URL, params="RefundCreateParams")
def create(call: Call) -> Obj:
    store, params = call.store, call.params
    fields.refuse(params, "origin", "refund_application_fee", "reverse_transfer")
    if bool(params.get("charge")) == bool(params.get("payment_intent")):
        message = "One of the following params should be provided for this request: payment_intent or charge."
        raise errors.invalid(message, code="parameter_missing" if not params.get("charge") else None)
    extra = {key: params.get(key) for key in ("reason", "metadata")}
    return make(
        store, _charge_meant(store, params.get("charge"), params.get("payment_intent")), params.get("amount"), **extra
    )


@routes.route("GET", URL, params="RefundListParams")
def list_all(call: Call) -> Obj:
    equal = {key: call.params[key] for key in ("charge", "payment_intent") if key in call.params}
    return routes.listing(call, call.store.newest("refund", **equal), URL)


@routes.route("GET", URL + "/<id>", params="RefundRetrieveParams")
def retrieve(call: Call) -> Obj:
    return call.store.get("refund", call.path["id"])


@routes.route("POST", URL + "/<id>", params="RefundUpdateParams")
def update(call: Call) -> Obj:
    refund = call.store.get("refund", call.path["id"])
    new = refund | {"metadata": merged(refund["metadata"], call.params.get("metadata"))}
    changes = events.changes(refund, new)
    if changes:
        events.emit(call.store, "refund.updated", call.store.put(new), changes)
        events.emit(call.store, "charge.refund.updated", new, changes)
    return new


@routes.route("POST", URL + "/<id>/cancel", params="RefundCancelParams")
def cancel(call: Call) -> Obj:
    refund = call.store.get("refund", call.path["id"])
    message = f"Only a refund with a status of requires_action can be canceled; this one has {refund['status']}."
    raise errors.invalid(message, param="id")


def _charge_meant(store: Store, charge: str | None, intent: str | None) -> Obj:
    if charge:
        return store.get("charge", charge, param="charge")
    found = store.get("payment_intent", intent or "", param="payment_intent")
    latest = store.lookup(found["latest_charge"]) if found["latest_charge"] else None
    if latest is None or latest["status"] != "succeeded":
        raise errors.invalid(f"This PaymentIntent ({found['id']}) does not have a successful charge to refund.")
    return latest


def _check(charge: Obj, wanted: int, left: int) -> None:
    if charge["status"] != "succeeded":
        raise errors.invalid(f"Charge {charge['id']} cannot be refunded because it was never successful.")
    if not charge["captured"]:
        message = f"Charge {charge['id']} only holds money; cancel its PaymentIntent to let the money go."
        raise errors.invalid(message)
    if charge["disputed"]:
        message = f"Charge {charge['id']} has been charged back; cannot issue a refund."
        raise errors.invalid(message, code="charge_disputed")
    if left <= 0:
        message = f"Charge {charge['id']} has already been refunded."
        raise errors.invalid(message, code="charge_already_refunded")
    if wanted < 1:
        raise errors.invalid("Invalid positive integer", param="amount", code="parameter_invalid_integer")
    if wanted > left:
        shown = (currencies.shown(each, charge["currency"]) for each in (wanted, left))
        message = "Refund amount ({}) is greater than unrefunded amount on charge ({})".format(*shown)
        raise errors.invalid(message, param="amount", code="amount_too_large")


def _move(store: Store, charge: Obj, amount: int, event: str) -> None:
    refunded = charge["amount_refunded"] + amount
    new = store.put(charge | {"amount_refunded": refunded, "refunded": refunded >= charge["amount"]})
    events.emit(store, event, new, events.changes(charge, new))


def _destination(behaviour: str) -> Obj:
    if behaviour == "pending":
        return {"reference_status": "pending", "reference_type": "acquirer_reference_number", "type": "pending"}
    number = {"reference": "24492157280000000000001", "reference_status": "available"}
    return number | {"reference_type": "acquirer_reference_number", "type": "refund"}
