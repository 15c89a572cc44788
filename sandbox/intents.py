"""What payment intents and setup intents share: the card's answer, and the buyer's confirmation at the bank."""

from typing import Any

from sandbox import errors, payment_methods, rendering
from sandbox.cards import Card, Decline
from sandbox.store import Obj, Store

CONFIRMABLE = ("requires_payment_method", "requires_confirmation", "requires_action")
PAST = {"cancel": "canceled", "capture": "captured", "confirm": "confirmed", "update": "updated"}
# Stripe's sentence for a buyer who did not confirm at the bank.
NOT_AUTHENTICATED = (
    "We are unable to authenticate your payment method. Please choose a different payment method and try again."
)


def method_for(store: Store, intent: Obj, reference: str | None) -> Obj:
    """Give the payment method that an intent shall use; raise for none, or for another customer's."""
    if not reference and not intent["payment_method"]:
        name = "PaymentIntent" if intent["object"] == "payment_intent" else "SetupIntent"
        message = (
            f"You cannot confirm this {name} because it's missing a payment method. Update it with one and try again."
        )
        raise errors.unexpected_state(message, f"{intent['object']}_unexpected_state", **shown(store, intent))
    method = payment_methods.taken(store, reference or intent["payment_method"])
    if method["customer"] and method["customer"] != intent["customer"]:
        message = (
            f"The provided PaymentMethod ({method['id']}) belongs to a Customer; "
            "you must name that Customer on this intent to use it."
        )
        raise errors.invalid(message, param="payment_method", code="payment_method_customer_decline")
    if method["_spent"] and not method["customer"]:
        message = (
            "The provided PaymentMethod was previously used with a PaymentIntent without Customer attachment, or was "
            "detached from a Customer, and may not be used again. To use it again, attach it to a Customer first."
        )
        raise errors.invalid(message, param="payment_method")
    return method


def needs_authentication(card: Card, method: Obj, *, off_session: bool) -> bool:
    """Say whether the bank wants to see the buyer (docs.stripe.com/testing: 3D Secure authentication)."""
    if card.authentication == "always":
        return True
    if card.authentication == "unless_set_up":
        return not off_session or not method["_set_up"]
    return card.authentication == "on_session" and not off_session


def next_action(store: Store, intent: Obj, return_url: str | None) -> dict[str, Any]:
    """Give the page where the buyer confirms."""
    page = f"{store.setting('base_url', '')}/3ds/{intent['id']}"
    if return_url:
        return {"redirect_to_url": {"return_url": return_url, "url": page}, "type": "redirect_to_url"}
    return {"type": "use_stripe_sdk", "use_stripe_sdk": {"type": "three_d_secure_redirect", "stripe_js": page}}


def failure(store: Store, decline: Decline, method: Obj, charge: Obj | None = None) -> dict[str, Any]:
    """Give the error that stays on an intent after a refusal."""
    error = errors.card_declined(decline.message, code=decline.code, decline_code=decline.decline_code)
    told: dict[str, Any] = error.body()["error"]
    told["payment_method"] = rendering.rendered(store, method)
    if charge is not None:
        told |= {"charge": charge["id"]}
        advice = charge["outcome"]["advice_code"]
        told |= {"advice_code": advice} if advice else {}
    return told


def raise_failure(store: Store, intent: Obj, error: dict[str, Any]) -> None:
    """Raise the 402 that tells the caller of an intent's last error; what the try left behind stays."""
    known = {key: value for key, value in error.items() if key not in {"message", "type", "code", "doc_url"}}
    raise errors.StripeError(
        error["message"],
        status=402,
        type=error["type"],
        code=error["code"],
        extra=known | shown(store, intent),
        keeps=True,
    )


def shown(store: Store, intent: Obj) -> dict[str, Any]:
    """Give an intent as errors carry it."""
    return {intent["object"]: rendering.rendered(store, intent)}


def check_status(store: Store, intent: Obj, verb: str, allowed: tuple[str, ...]) -> None:
    """Raise Stripe's 400 for a call that the status does not allow."""
    if intent["status"] not in allowed:
        name = "PaymentIntent" if intent["object"] == "payment_intent" else "SetupIntent"
        message = (
            f"You cannot {verb} this {name} because it has a status of {intent['status']}. Only a {name} with one of "
            f"the following statuses may be {PAST[verb]}: {', '.join(allowed)}."
        )
        raise errors.unexpected_state(message, f"{intent['object']}_unexpected_state", **shown(store, intent))
