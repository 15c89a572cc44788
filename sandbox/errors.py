"""Stripe's errors: the HTTP status and the body that a client sees."""

from typing import Any

# The name that Stripe gives to the path's id when the object itself is absent.
OWN_PARAM = {
    "charge": "charge",
    "checkout.session": "session",
    "dispute": "dispute",
    "invoice": "invoice",
    "invoiceitem": "invoiceitem",
    "payment_intent": "intent",
    "payment_method": "payment_method",
    "price": "price",
    "refund": "refund",
    "setup_intent": "setup_intent",
    "subscription": "id",
    "subscription_item": "item",
    "test_helpers.test_clock": "test_clock",
    "webhook_endpoint": "webhook_endpoint",
}
SHOWN_KIND = {"test_helpers.test_clock": "test clock", "payment_method": "PaymentMethod"}
DOCS = "https://stripe.com/docs/error-codes/"


class StripeError(Exception):
    """An answer that is an error.

    `keeps` says whether the work done before it stands: a declined card leaves a failed charge behind, an invalid
    request leaves nothing.
    """

    def __init__(
        self,
        message: str,
        *,
        status: int = 400,
        type: str = "invalid_request_error",
        code: str | None = None,
        param: str | None = None,
        decline_code: str | None = None,
        extra: dict[str, Any] | None = None,
        keeps: bool = False,
        stored: bool = True,
    ) -> None:
        super().__init__(message)
        self.message = message
        self.status = status
        self.type = type
        self.code = code
        self.param = param
        self.decline_code = decline_code
        self.extra = extra or {}
        self.keeps = keeps
        self.stored = stored

    def body(self, request_id: str | None = None) -> dict[str, Any]:
        """Give the JSON body; keys without a value are left out, as Stripe leaves them out."""
        error: dict[str, Any] = {"message": self.message, "type": self.type}
        for key in ("code", "decline_code", "param"):
            if getattr(self, key) is not None:
                error[key] = getattr(self, key)
        if self.code:
            error["doc_url"] = DOCS + self.code.replace("_", "-")
        if request_id:
            error["request_log_url"] = f"https://dashboard.stripe.com/test/logs/{request_id}"
        return {"error": error | self.extra}


def invalid(message: str, *, param: str | None = None, code: str | None = None) -> StripeError:
    """Make the 400 of a request that Stripe understands and refuses."""
    return StripeError(message, param=param, code=code)


def missing(kind: str, id: str, param: str = "id") -> StripeError:
    """Make the error of an absent object: 404 where the path names it, 400 where another parameter does."""
    own = param == "id"
    shown = OWN_PARAM.get(kind, "id") if own else param
    message = f"No such {SHOWN_KIND.get(kind, kind)}: '{id}'"
    return StripeError(message, status=404 if own else 400, code="resource_missing", param=shown)


def card_declined(
    message: str,
    *,
    code: str = "card_declined",
    decline_code: str | None = None,
    param: str | None = None,
    charge: str | None = None,
    payment_intent: dict[str, Any] | None = None,
    setup_intent: dict[str, Any] | None = None,
    payment_method: dict[str, Any] | None = None,
    keeps: bool = True,
) -> StripeError:
    """Make the 402 of a card that the bank refuses; what was written before it stays written."""
    named = {
        "charge": charge,
        "payment_intent": payment_intent,
        "setup_intent": setup_intent,
        "payment_method": payment_method,
    }
    extra = {key: value for key, value in named.items() if value is not None}
    return StripeError(
        message,
        status=402,
        type="card_error",
        code=code,
        decline_code=decline_code,
        param=param,
        extra=extra,
        keeps=keeps,
    )


def unexpected_state(message: str, code: str, **extra: Any) -> StripeError:
    """Make the 400 of an object whose status does not allow the call."""
    return StripeError(message, code=code, extra=extra)


def not_found(method: str, path: str) -> StripeError:
    """Make the 404 of an address that the API does not have."""
    message = f"Unrecognized request URL ({method}: {path}). Please see https://stripe.com/docs."
    return StripeError(message, status=404, stored=False)
