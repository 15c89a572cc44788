"""The hosted payment page of a checkout session: plain HTML, no script."""

from werkzeug import Response
from werkzeug.utils import redirect

from sandbox import checkout_payment, currencies, errors, routes, screens
from sandbox.routes import Door
from sandbox.screens import Bill
from sandbox.store import Obj, Store

HEADINGS = {"payment": "Pay", "subscription": "Subscribe", "setup": "Save your card"}


@routes.door("GET", "/c/pay/<id>")
def show(door: Door) -> Response:
    return _shown(door.store, door.store.get("checkout.session", door.path["id"]))


@routes.door("POST", "/c/pay/<id>")
def pay(door: Door) -> Response:
    """Take the form; a refusal is shown on the same page, with status 402, and the buyer may try again."""
    given = door.request.form
    try:
        with door.store.transaction():
            session = checkout_payment.submit(door.store, door.path["id"], screens.card_form(given))
    except errors.StripeError as error:
        session = door.store.get("checkout.session", door.path["id"])
        return _shown(door.store, session, problem=error.message, typed=dict(given), status=error.status)
    return redirect(checkout_payment.next_page(door.store, session), 303)


@routes.door("GET", "/c/pay/<id>/return")
def back_from_bank(door: Door) -> Response:
    session = door.store.get("checkout.session", door.path["id"])
    if session["status"] == "complete":
        return redirect(checkout_payment.next_page(door.store, session), 303)
    intent = checkout_payment.waiting_intent(door.store, session) or {}
    told = intent.get("last_payment_error") or intent.get("last_setup_error") or {}
    return _shown(door.store, session, problem=told.get("message"), status=402 if told else 200)


def _shown(
    store: Store, session: Obj, *, problem: str | None = None, typed: dict[str, str] | None = None, status: int = 200
) -> Response:
    if session["status"] == "complete":
        text = "This has been paid. You may close the page."
        return screens.message("All done", text, checkout_payment.next_page(store, session), "Back to the shop")
    if session["status"] == "expired":
        text = "Go back to the shop and begin again."
        return screens.message("This page has expired", text, session["cancel_url"], "Back", 410)
    return screens.card_page(_bill(store, session), problem=problem, typed=typed, status=status)


def _bill(store: Store, session: Obj) -> Bill:
    known = store.lookup(session["customer"]) if session["customer"] else None
    amount = currencies.shown(session["amount_total"] or 0, session["currency"]) if session["currency"] else "Nothing"
    free = "Save card" if session["mode"] == "setup" else "Start trial"
    return Bill(
        heading=HEADINGS[session["mode"]],
        amount=amount,
        button=f"Pay {amount}" if session["amount_total"] else free,
        action=f"/c/pay/{session['id']}",
        lines=[
            (line["description"], f"Quantity {line['quantity']}", currencies.shown(line["amount"], line["currency"]))
            for line in session["_lines"]
        ],
        period=_period(store, session),
        email=(known or {}).get("email") or session["customer_email"],
        back=session["cancel_url"],
    )


def _period(store: Store, session: Obj) -> str:
    recurring = next((line for line in session["_lines"] if line["recurring"]), None)
    if recurring is None:
        return ""
    every = store.get("price", recurring["price"])["recurring"]
    count = every["interval_count"]
    return f"per {every['interval']}" if count == 1 else f"every {count} {every['interval']}s"
