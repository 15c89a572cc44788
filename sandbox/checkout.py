"""Checkout sessions: what the hosted page asks a buyer to pay, and for how long."""

from decimal import ROUND_HALF_UP, Decimal
from typing import Any

from sandbox import currencies, customers, errors, fields, payment_intents, prices, setup_intents
from sandbox.metadata import merged
from sandbox.store import Obj, Store

# Keys of features that this sandbox has not, or that stay empty until something happens.
NULL_AT_FIRST = """
    after_expiration collected_information consent consent_collection currency_conversion customer_account
    customer_details invoice payment_intent payment_link payment_method_configuration_details permissions
    recovered_from saved_payment_method_options setup_intent shipping_address_collection shipping_cost
    subscription wallet_options _buyer _pending_subscription
"""

SHORTEST, LONGEST, SLACK = 30 * 60, 24 * 3600, 10
# Keys that an answer repeats as the request gave them.
REPEATED = (
    "allow_promotion_codes",
    "billing_address_collection",
    "cancel_url",
    "client_reference_id",
    "customer_email",
    "integration_identifier",
    "locale",
    "origin_context",
    "return_url",
    "submit_type",
    "success_url",
)
_NOT_HERE = """
    allow_promotion_codes automatic_tax consent_collection custom_fields discounts invoice_creation name_collection
    optional_items payment_method_data phone_number_collection shipping_address_collection shipping_options
    tax_id_collection
"""
NOT_HERE = _NOT_HERE.split()
NO_INVOICE: Obj = {
    "account_tax_ids": None,
    "custom_fields": None,
    "description": None,
    "footer": None,
    "issuer": None,
    "metadata": {},
    "rendering_options": None,
}


def open_session(store: Store, **params: Any) -> Obj:
    """Make a session from the parameters of Stripe's create call; nobody hears of it until it ends."""
    mode = params.get("mode") or "payment"
    _check(store, mode, params)
    id = f"cs_test_a1{store.token(30)}{store.token(26)}"
    lines = [_line(store, mode, given, params) for given in params.get("line_items") or []]
    currency = _one_currency(lines, params)
    total = sum(line["amount"] for line in lines)
    if mode == "payment":
        currencies.check_charge(total, currency or "", "line_items")
    session = _blank(store, id, mode, params) | {
        "amount_subtotal": None if mode == "setup" else total,
        "amount_total": None if mode == "setup" else total,
        "currency": currency,
        "total_details": None if mode == "setup" else {"amount_discount": 0, "amount_shipping": 0, "amount_tax": 0},
        "_lines": lines,
        "_payment_intent_data": params.get("payment_intent_data") or {},
        "_setup_intent_data": params.get("setup_intent_data") or {},
        "_subscription_data": params.get("subscription_data") or {},
    }
    if mode == "setup":
        session["setup_intent"] = _setup_intent(store, session)["id"]
    return store.put(session)


def find_open(store: Store, id: str) -> Obj:
    """Give a session that may still be paid; raise Stripe's 400 for one that has ended."""
    session = store.get("checkout.session", id)
    if session["status"] != "open":
        message = f"This Checkout Session is {session['status']}: it can no longer be paid."
        raise errors.invalid(message, param="session", code="checkout_session_not_open")
    return session


def _blank(store: Store, id: str, mode: str, params: dict[str, Any]) -> Obj:
    customer = params.get("customer")
    now = store.now(customer)
    hosted = (params.get("ui_mode") or "hosted_page") == "hosted_page"
    repeated = fields.chosen(params, **dict.fromkeys(REPEATED))
    return repeated | {
        "id": id,
        "object": "checkout.session",
        **dict.fromkeys(NULL_AT_FIRST.split()),
        "adaptive_pricing": {"enabled": (params.get("adaptive_pricing") or {}).get("enabled", mode == "payment")},
        "automatic_tax": {"enabled": False, "liability": None, "provider": None, "status": None},
        "branding_settings": _branding(),
        "client_secret": None if hosted else f"{id}_secret_{store.token(25)}",
        "created": now,
        "custom_fields": [],
        "custom_text": dict.fromkeys(("after_submit", "shipping_address", "submit", "terms_of_service_acceptance")),
        "customer": customer,
        "customer_creation": _customer_creation(mode, params),
        "discounts": [] if mode == "payment" else None,
        "expires_at": _expiry(now, params.get("expires_at")),
        "invoice_creation": {"enabled": False, "invoice_data": NO_INVOICE} if mode == "payment" else None,
        "livemode": False,
        "managed_payments": {"enabled": False},
        "metadata": merged({}, params.get("metadata")),
        "mode": mode,
        "payment_method_collection": params.get("payment_method_collection")
        or ("always" if mode != "payment" else "if_required"),
        "payment_method_options": {"card": {"request_three_d_secure": "automatic"}},
        "payment_method_types": params.get("payment_method_types") or ["card"],
        "payment_status": "no_payment_required" if mode == "setup" else "unpaid",
        "phone_number_collection": {"enabled": False},
        "shipping_options": [],
        "status": "open",
        "ui_mode": params.get("ui_mode") or "hosted_page",
        "url": f"{store.setting('base_url', '')}/c/pay/{id}" if hosted else None,
    }


def _branding() -> Obj:
    return {
        "background_color": "#ffffff",
        "border_style": "rounded",
        "button_color": "#0b6bcb",
        "display_name": "Stripe sandbox",
        "font_family": "default",
        "icon": None,
        "logo": None,
    }


def _check(store: Store, mode: str, params: dict[str, Any]) -> None:
    if mode != "setup" and not params.get("line_items"):
        message = f"You must provide `line_items` in `{mode}` mode."
        raise errors.invalid(message, param="line_items", code="parameter_missing")
    if mode == "setup" and params.get("line_items"):
        raise errors.invalid("You can not pass `line_items` in `setup` mode.", param="line_items")
    if (params.get("ui_mode") or "hosted_page") == "hosted_page" and not params.get("success_url"):
        message = "You must provide `success_url` for a Checkout Session whose `ui_mode` is `hosted_page`."
        raise errors.invalid(message, param="success_url", code="parameter_missing")
    if params.get("customer") and params.get("customer_email"):
        message = "You may only specify one of these parameters: customer, customer_email."
        raise errors.invalid(message, param="customer_email")
    if params.get("customer"):
        customers.existing(store, params["customer"])
    fields.refuse(params, *NOT_HERE)
    for name, modes in (
        ("payment_intent_data", "payment"),
        ("subscription_data", "subscription"),
        ("setup_intent_data", "setup"),
    ):
        if params.get(name) and mode != modes:
            raise errors.invalid(f"You can not pass `{name}` in `{mode}` mode.", param=name)


def _customer_creation(mode: str, params: dict[str, Any]) -> str | None:
    if params.get("customer"):
        return None
    return params.get("customer_creation") or ("if_required" if mode == "payment" else "always")


def _expiry(now: int, wanted: int | None) -> int:
    if wanted is None:
        return now + LONGEST
    # The client worked out its moment a little earlier.
    if wanted - now < SHORTEST - SLACK or wanted - now > LONGEST:
        message = "The `expires_at` timestamp must be at least 30 minutes and at most 24 hours from now."
        raise errors.invalid(message, param="expires_at")
    return wanted


def _line(store: Store, mode: str, given: dict[str, Any], params: dict[str, Any]) -> Obj:
    price = _price(store, given)
    if mode == "payment" and price["recurring"]:
        message = (
            "You specified `payment` mode but passed a recurring price. Either switch to `subscription` mode or use "
            "only one-time prices."
        )
        raise errors.invalid(message, param="mode")
    quantity = given.get("quantity", 1)
    if quantity < 1:
        message = "This value must be greater than or equal to 1."
        raise errors.invalid(message, param="line_items[0][quantity]", code="parameter_invalid_integer")
    later = mode == "subscription" and price["recurring"] and trial_asked(params.get("subscription_data") or {})
    product = store.get("product", price["product"])
    return {
        "id": store.new_id("li"),
        "price": price["id"],
        "quantity": quantity,
        "currency": price["currency"],
        "description": product["name"],
        "recurring": bool(price["recurring"]),
        "amount": 0 if later else amount_of(price, quantity),
    }


def trial_asked(data: dict[str, Any]) -> bool:
    """Say whether subscription data ask for a trial."""
    return bool(data.get("trial_period_days") or data.get("trial_end"))


def amount_of(price: Obj, quantity: int) -> int:
    """Give what so many of a price cost, half up."""
    exact = Decimal(price["unit_amount_decimal"] or "0") * quantity
    return int(exact.quantize(Decimal(1), ROUND_HALF_UP))


def _price(store: Store, given: dict[str, Any]) -> Obj:
    if given.get("price_data"):
        return prices.make(store, active=False, **given["price_data"])
    if not given.get("price"):
        message = "Missing required param: line_items[0][price]."
        raise errors.invalid(message, param="line_items[0][price]", code="parameter_missing")
    price = store.get("price", given["price"], param="line_items[0][price]")
    if not price["active"]:
        message = "The price specified is inactive. This field only accepts active prices."
        raise errors.invalid(message, param="line_items[0][price]")
    return price


def _one_currency(lines: list[Obj], params: dict[str, Any]) -> str | None:
    found = sorted({line["currency"] for line in lines})
    if len(found) > 1:
        message = f"All prices of a Checkout Session must have one currency; these have {', '.join(found)}."
        raise errors.invalid(message, param="line_items")
    wanted = params.get("currency")
    if wanted and found and wanted.lower() != found[0]:
        message = f"The price is in {found[0]} and has no option for {wanted.lower()}."
        raise errors.invalid(message, param="currency")
    if (params.get("mode") or "payment") == "subscription" and not any(line["recurring"] for line in lines):
        message = "You must provide at least one recurring price in `subscription` mode when using prices."
        raise errors.invalid(message, param="mode")
    return found[0] if found else wanted


def _setup_intent(store: Store, session: Obj) -> Obj:
    data = session["_setup_intent_data"]
    return setup_intents.create_setup(
        store,
        customer=session["customer"],
        payment_method_types=session["payment_method_types"],
        **{key: data[key] for key in ("description", "metadata") if key in data},
    )


def payment_intent(store: Store, session: Obj) -> Obj:
    """Give the payment intent of a session, made now if no buyer came this far before."""
    if session["payment_intent"]:
        return store.get("payment_intent", session["payment_intent"])
    data = session["_payment_intent_data"]
    return payment_intents.create_intent(
        store,
        amount=session["amount_total"],
        currency=session["currency"],
        customer=session["customer"],
        payment_method_types=session["payment_method_types"],
        **{
            key: data[key]
            for key in (*payment_intents.PLAIN[1:], "capture_method", "metadata", "shipping")
            if key in data
        },
    )
