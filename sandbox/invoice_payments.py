"""Which payment pays which invoice."""

from sandbox import events, rendering, routes
from sandbox.routes import Call
from sandbox.store import Obj, Store

KIND = "invoice_payment"
URL = "/v1/invoice_payments"


def open_for(store: Store, invoice: Obj, intent: Obj) -> Obj:
    """Write that an intent shall pay an invoice."""
    payment: Obj = {
        "id": store.new_id("inpay"),
        "object": KIND,
        "amount_paid": None,
        "amount_requested": intent["amount"],
        "created": store.now(invoice["customer"]),
        "currency": invoice["currency"],
        "invoice": invoice["id"],
        "is_default": True,
        "livemode": False,
        "payment": {"payment_intent": intent["id"], "type": "payment_intent"},
        "status": "open",
        "status_transitions": {"canceled_at": None, "paid_at": None},
        "_customer": invoice["customer"],
        "_intent": intent["id"],
    }
    return store.put(payment)


def of(store: Store, invoice: Obj) -> list[Obj]:
    """Give the payments of an invoice, newest first."""
    return store.find(KIND, invoice=invoice["id"])


def open_of(store: Store, invoice: Obj) -> Obj | None:
    """Give the payment that still waits."""
    return next((each for each in of(store, invoice) if each["status"] == "open"), None)


def by_intent(store: Store, intent_id: str) -> Obj | None:
    """Give the payment that an intent stands for."""
    return next(iter(store.find(KIND, _intent=intent_id)), None)


def paid(store: Store, payment: Obj, amount: int) -> Obj:
    """Write that the money came."""
    at = store.now(payment["_customer"])
    transitions = payment["status_transitions"] | {"paid_at": at}
    payment = store.put(payment | {"status": "paid", "amount_paid": amount, "status_transitions": transitions})
    events.emit(store, "invoice_payment.paid", payment)
    return payment


def canceled(store: Store, payment: Obj) -> Obj:
    """Write that this payment will not come."""
    transitions = payment["status_transitions"] | {"canceled_at": store.now(payment["_customer"])}
    return store.put(payment | {"status": "canceled", "status_transitions": transitions})


@rendering.includes("invoice", "payments")
def payments_of(store: Store, invoice: Obj) -> Obj:
    found = list(reversed(of(store, invoice)))
    return rendering.short_list(found, f"{URL}?invoice={invoice['id']}")


@routes.route("GET", URL, params="InvoicePaymentListParams")
def list_all(call: Call) -> Obj:
    equal = {key: call.params[key] for key in ("invoice", "status") if key in call.params}
    wanted = call.params.get("payment")
    found = call.store.find(KIND, lambda each: not wanted or _pays_with(each, wanted), **equal)
    return routes.listing(call, found, URL)


@routes.route("GET", URL + "/<id>", params="InvoicePaymentRetrieveParams")
def retrieve(call: Call) -> Obj:
    return call.store.get(KIND, call.path["id"])


def _pays_with(payment: Obj, wanted: Obj) -> bool:
    return all(payment["payment"].get(key) == value for key, value in wanted.items())
