"""The addresses of payment intents."""

from typing import Any

from sandbox import currencies, customers, errors, fields, intents, payment_intents, routes
from sandbox.metadata import merged
from sandbox.routes import Call
from sandbox.store import Obj, Store

URL = "/v1/payment_intents"
_NOT_HERE = """
    application_fee_amount confirmation_token hooks on_behalf_of payment_details payment_method_data transfer_data
"""
NOT_HERE = _NOT_HERE.split()


@routes.route("POST", URL, params="PaymentIntentCreateParams")
def create(call: Call) -> Obj:
    params = call.params
    fields.refuse(params, *NOT_HERE)
    if params.get("off_session") and not params.get("confirm"):
        message = "You can only provide `off_session` when `confirm=true`."
        raise errors.invalid(message, param="off_session")
    intent = payment_intents.create_intent(call.store, **params)
    return _confirmed(call.store, intent, params) if params.get("confirm") else intent


@routes.route("GET", URL, params="PaymentIntentListParams")
def list_all(call: Call) -> Obj:
    equal = {key: call.params[key] for key in ("customer",) if key in call.params}
    return routes.listing(call, call.store.newest("payment_intent", **equal), URL)


@routes.route("GET", URL + "/<id>", params="PaymentIntentRetrieveParams")
def retrieve(call: Call) -> Obj:
    return call.store.get("payment_intent", call.path["id"])


@routes.route("POST", URL + "/<id>", params="PaymentIntentUpdateParams")
def update(call: Call) -> Obj:
    store, params = call.store, call.params
    fields.refuse(params, *NOT_HERE)
    intent = store.get("payment_intent", call.path["id"])
    if {"amount", "currency", "payment_method", "customer"} & params.keys():
        intents.check_status(store, intent, "update", payment_intents.OPEN)
    new = fields.changed(intent, params, *payment_intents.PLAIN, "amount")
    if "currency" in params:
        new["currency"] = currencies.checked(params["currency"])
    currencies.check_charge(new["amount"], new["currency"])
    if new["customer"]:
        customers.existing(store, new["customer"])
    if params.get("payment_method"):
        method = intents.method_for(store, new, params["payment_method"])
        new |= {"payment_method": method["id"], "status": "requires_confirmation"}
    if "shipping" in params:
        new["shipping"] = fields.shipping(params["shipping"])
    new["metadata"] = merged(intent["metadata"], params.get("metadata"))
    # Stripe tells nobody of an updated payment intent.
    return store.put(new)


@routes.route("POST", URL + "/<id>/confirm", params="PaymentIntentConfirmParams")
def confirm(call: Call) -> Obj:
    intent = call.store.get("payment_intent", call.path["id"])
    intents.check_status(call.store, intent, "confirm", intents.CONFIRMABLE)
    fields.refuse(call.params, *NOT_HERE)
    new = fields.changed(intent, call.params, "receipt_email", "setup_future_usage")
    return _confirmed(call.store, new, call.params)


@routes.route("POST", URL + "/<id>/capture", params="PaymentIntentCaptureParams")
def capture(call: Call) -> Obj:
    intent = call.store.get("payment_intent", call.path["id"])
    intents.check_status(call.store, intent, "capture", ("requires_capture",))
    amount: int = call.params.get("amount_to_capture") or intent["amount_capturable"]
    if not 0 < amount <= intent["amount_capturable"]:
        message = f"The amount to capture must be between 1 and {intent['amount_capturable']}."
        raise errors.invalid(message, param="amount_to_capture", code="amount_too_large")
    return payment_intents.capture_intent(call.store, intent, amount)


@routes.route("POST", URL + "/<id>/cancel", params="PaymentIntentCancelParams")
def cancel(call: Call) -> Obj:
    intent = call.store.get("payment_intent", call.path["id"])
    intents.check_status(call.store, intent, "cancel", (*payment_intents.OPEN, "requires_capture", "processing"))
    return payment_intents.cancel_intent(call.store, intent, call.params.get("cancellation_reason"))


def _confirmed(store: Store, intent: Obj, params: dict[str, Any]) -> Obj:
    _check_return_url(intent, params)
    confirmed = payment_intents.confirm_intent(
        store,
        intent,
        params.get("payment_method"),
        off_session=bool(params.get("off_session")),
        return_url=params.get("return_url"),
    )
    error = confirmed["last_payment_error"]
    if error and confirmed["status"] == "requires_payment_method":
        intents.raise_failure(store, confirmed, error)
    if confirmed["status"] == "requires_action" and params.get("error_on_requires_action"):
        message = "This payment required an authentication action to complete, but `error_on_requires_action` was set."
        raise errors.card_declined(message, code="authentication_required", decline_code="authentication_not_handled")
    return confirmed


def _check_return_url(intent: Obj, params: dict[str, Any]) -> None:
    automatic = intent["automatic_payment_methods"] or {}
    redirects = automatic.get("enabled") and automatic.get("allow_redirects") != "never"
    if (
        redirects
        and not params.get("return_url")
        and not params.get("off_session")
        and not params.get("use_stripe_sdk")
    ):
        message = (
            "This PaymentIntent is configured to accept payment methods enabled in your Dashboard. Because some of "
            "these payment methods might redirect your customer off of your page, you must provide a `return_url`. If "
            "you don't want to accept redirect-based payment methods, set `automatic_payment_methods[enabled]` to "
            "`true` and `automatic_payment_methods[allow_redirects]` to `never` when creating Setup Intents and "
            "Payment Intents."
        )
        raise errors.invalid(message)
