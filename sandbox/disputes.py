"""Disputes: a buyer's bank takes the money back, until it is decided."""

from sandbox import balance, errors, events, fields, routes
from sandbox.metadata import merged
from sandbox.routes import Call
from sandbox.store import Obj, Store

URL = "/v1/disputes"
# What a dispute costs, in minor units of the charge's currency.
FEE = 1500
DAYS_TO_ANSWER = 9
NETWORK_CODES = {"fraudulent": "10.4", "product_not_received": "13.1", "general": "13.3"}
OPEN = ("needs_response", "under_review", "warning_needs_response", "warning_under_review")
_EVIDENCE = """
    access_activity_log billing_address cancellation_policy cancellation_policy_disclosure
    cancellation_rebuttal customer_communication customer_email_address customer_name customer_purchase_ip
    customer_signature duplicate_charge_documentation duplicate_charge_explanation duplicate_charge_id
    product_description receipt refund_policy refund_policy_disclosure refund_refusal_explanation service_date
    service_documentation shipping_address shipping_carrier shipping_date shipping_documentation
    shipping_tracking_number uncategorized_file uncategorized_text
"""
EVIDENCE = tuple(_EVIDENCE.split())
# Words that decide a dispute in a test (docs.stripe.com/testing: evidence).
DECIDING = {"winning_evidence": True, "losing_evidence": False}


def open_dispute(store: Store, charge: Obj, reason: str = "fraudulent") -> Obj:
    """Take a charge's money back at its bank's wish; raise for one that has no money or is disputed already."""
    if charge["status"] != "succeeded" or not charge["captured"] or charge["disputed"]:
        raise errors.invalid(f"Charge {charge['id']} cannot be disputed.", param="charge")
    now = store.now(charge["customer"])
    inquiry = reason == "general"
    dispute: Obj = {
        "id": store.new_id("du"),
        "object": "dispute",
        "amount": charge["amount"] - charge["amount_refunded"],
        "balance_transactions": [],
        "charge": charge["id"],
        "created": now,
        "currency": charge["currency"],
        "enhanced_eligibility_types": [],
        "evidence": dict.fromkeys(EVIDENCE) | {"enhanced_evidence": {}},
        "evidence_details": {
            "due_by": now + DAYS_TO_ANSWER * 86400,
            "enhanced_eligibility": {},
            "has_evidence": False,
            "past_due": False,
            "submission_count": 0,
        },
        "is_charge_refundable": inquiry,
        "livemode": False,
        "metadata": {},
        "payment_intent": charge["payment_intent"],
        "payment_method_details": {"card": _card(charge, reason, inquiry), "type": "card"},
        "reason": reason,
        "status": "warning_needs_response" if inquiry else "needs_response",
        "_customer": charge["customer"],
    }
    store.put(charge | {"disputed": True})
    events.emit(store, "charge.dispute.created", store.put(dispute))
    return dispute if inquiry else _moved(store, dispute, -dispute["amount"], "charge.dispute.funds_withdrawn", FEE)


def close_dispute(store: Store, dispute: Obj, *, won: bool) -> Obj:
    """Decide a dispute; money that is won comes back."""
    if dispute["status"] not in OPEN:
        raise errors.invalid("This dispute is already closed.", param="id", code="dispute_already_closed")
    warned = dispute["status"].startswith("warning")
    status = "warning_closed" if warned else "won" if won else "lost"
    before = {"status": dispute["status"]}
    dispute = store.put(dispute | {"status": status, "is_charge_refundable": False})
    events.emit(store, "charge.dispute.closed", dispute, before)
    if won and not warned:
        return _moved(store, dispute, dispute["amount"], "charge.dispute.funds_reinstated", 0)
    return dispute


@routes.route("GET", URL, params="DisputeListParams")
def list_all(call: Call) -> Obj:
    equal = {key: call.params[key] for key in ("charge", "payment_intent") if key in call.params}
    return routes.listing(call, call.store.newest("dispute", **equal), URL)


@routes.route("GET", URL + "/<id>", params="DisputeRetrieveParams")
def retrieve(call: Call) -> Obj:
    return call.store.get("dispute", call.path["id"])


@routes.route("POST", URL + "/<id>", params="DisputeUpdateParams")
def update(call: Call) -> Obj:
    dispute = call.store.get("dispute", call.path["id"])
    new = dispute | {"metadata": merged(dispute["metadata"], call.params.get("metadata"))}
    given = call.params.get("evidence") or {}
    if given:
        details = dispute["evidence_details"] | {"has_evidence": True}
        new |= {"evidence": fields.changed(dispute["evidence"], given, *EVIDENCE), "evidence_details": details}
    # Stripe submits evidence at once, unless the caller says that it is a draft.
    submitted = given and call.params.get("submit", True)
    if submitted:
        new["evidence_details"]["submission_count"] += 1
        new["status"] = "warning_under_review" if dispute["status"].startswith("warning") else "under_review"
    changes = events.changes(dispute, new)
    if changes:
        events.emit(call.store, "charge.dispute.updated", call.store.put(new), changes)
    decided = DECIDING.get(given.get("uncategorized_text") or "")
    return close_dispute(call.store, new, won=decided) if submitted and decided is not None else new


@routes.route("POST", URL + "/<id>/close", params="DisputeCloseParams")
def close(call: Call) -> Obj:
    return close_dispute(call.store, call.store.get("dispute", call.path["id"]), won=False)


def _moved(store: Store, dispute: Obj, amount: int, event: str, fee: int) -> Obj:
    category = "dispute" if amount < 0 else "dispute_reversal"
    source = dispute | {"customer": dispute["_customer"]}
    told = f"Chargeback {'withdrawal' if amount < 0 else 'reversal'} for {dispute['charge']}"
    moved = balance.record(store, "adjustment", amount, source, fee=fee, description=told, category=category)
    dispute = store.put(dispute | {"balance_transactions": [*dispute["balance_transactions"], moved]})
    events.emit(store, event, dispute)
    return dispute


def _card(charge: Obj, reason: str, inquiry: bool) -> Obj:
    brand = charge["payment_method_details"]["card"]["brand"]
    return {
        "brand": brand,
        "case_type": "inquiry" if inquiry else "chargeback",
        "network": brand,
        "network_reason_code": NETWORK_CODES.get(reason, "10.4"),
    }
