"""The addresses of checkout sessions."""

from sandbox import checkout, checkout_payment, errors, rendering, routes
from sandbox.metadata import merged
from sandbox.routes import Call
from sandbox.store import Obj, Store

URL = "/v1/checkout/sessions"
FILTERS = ("customer", "payment_intent", "payment_link", "status", "subscription")


@routes.route("POST", URL, params="checkout.SessionCreateParams")
def create(call: Call) -> Obj:
    return checkout.open_session(call.store, **call.params)


@routes.route("GET", URL, params="checkout.SessionListParams")
def list_all(call: Call) -> Obj:
    equal = {key: call.params[key] for key in FILTERS if key in call.params}
    email = (call.params.get("customer_details") or {}).get("email")

    def fits(session: Obj) -> bool:
        return not email or (session["customer_details"] or {}).get("email") == email

    return routes.listing(call, call.store.find("checkout.session", fits, **equal), URL)


@routes.route("GET", URL + "/<id>", params="checkout.SessionRetrieveParams")
def retrieve(call: Call) -> Obj:
    return call.store.get("checkout.session", call.path["id"])


@routes.route("POST", URL + "/<id>", params="checkout.SessionUpdateParams")
def update(call: Call) -> Obj:
    session = call.store.get("checkout.session", call.path["id"])
    session["metadata"] = merged(session["metadata"], call.params.get("metadata"))
    return call.store.put(session)


@routes.route("POST", URL + "/<id>/expire", params="checkout.SessionExpireParams")
def expire(call: Call) -> Obj:
    session = call.store.get("checkout.session", call.path["id"])
    if session["status"] != "open":
        message = (
            'Only Checkout Sessions with a status in ["open"] can be expired. '
            f"This Checkout Session has a status of {session['status']}."
        )
        raise errors.invalid(message, param="session")
    return checkout_payment.expire(call.store, session)


@routes.route("GET", URL + "/<id>/line_items", params="checkout.SessionListLineItemsParams")
def list_line_items(call: Call) -> Obj:
    session = call.store.get("checkout.session", call.path["id"])
    return routes.listing(call, line_items(call.store, session), f"{URL}/{session['id']}/line_items")


@rendering.includes("checkout.session", "line_items")
def line_items_of(store: Store, session: Obj) -> Obj:
    stored = store.get("checkout.session", session["id"])
    return rendering.short_list(line_items(store, stored), f"{URL}/{session['id']}/line_items")


def line_items(store: Store, session: Obj) -> list[Obj]:
    """Give the lines as Stripe shows them, each with its whole price."""
    return [
        {
            "id": line["id"],
            "object": "item",
            "adjustable_quantity": None,
            "amount_discount": 0,
            "amount_subtotal": line["amount"],
            "amount_tax": 0,
            "amount_total": line["amount"],
            "currency": line["currency"],
            "description": line["description"],
            "metadata": {},
            "price": rendering.rendered(store, store.get("price", line["price"])),
            "quantity": line["quantity"],
        }
        for line in session["_lines"]
    ]
