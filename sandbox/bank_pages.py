"""The page on which a buyer confirms a payment at the bank (3D Secure)."""

from urllib.parse import urlencode

from werkzeug import Response
from werkzeug.utils import redirect

from sandbox import currencies, errors, payment_intents, routes, screens, setup_intents
from sandbox.routes import Door
from sandbox.store import Obj, Store


@routes.door("GET", "/3ds/<id>")
def ask(door: Door) -> Response:
    intent = waiting(door.store, door.path["id"])
    method = door.store.get("payment_method", intent["payment_method"])
    amount = currencies.shown(intent["amount"], intent["currency"]) if "amount" in intent else "your agreement"
    return screens.bank_page(amount, method["card"]["last4"], f"/3ds/{intent['id']}")


@routes.door("POST", "/3ds/<id>")
def hear(door: Door) -> Response:
    with door.store.transaction():
        intent = waiting(door.store, door.path["id"])
        target = (intent["next_action"].get("redirect_to_url") or {}).get("return_url")
        intent = confirm(door.store, intent, success=door.request.form.get("result") == "complete")
    if not target:
        return screens.message("Thank you", "You may close this page and go back to the shop.")
    outcome = "succeeded" if intent["status"] in {"succeeded", "requires_capture"} else "failed"
    kind, secret = intent["object"], intent["client_secret"]
    query = urlencode({kind: intent["id"], f"{kind}_client_secret": secret, "redirect_status": outcome})
    return redirect(f"{target}{'&' if '?' in target else '?'}{query}", 303)


def waiting(store: Store, id: str) -> Obj:
    """Give the intent that waits for its buyer."""
    intent = store.lookup(id)
    if intent is None or intent.get("status") != "requires_action":
        raise errors.StripeError("Nothing waits for a confirmation here.", status=404)
    return intent


def confirm(store: Store, intent: Obj, *, success: bool) -> Obj:
    """Say for the buyer that the bank may pay, or may not."""
    if intent["object"] == "payment_intent":
        return payment_intents.authenticated(store, intent, success=success)
    return setup_intents.authenticated(store, intent, success=success)
