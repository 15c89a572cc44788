"""Starting a subscription: its items, its first invoice, its first payment."""

from typing import Any

from sandbox import (
    amounts,
    collection,
    customers,
    errors,
    events,
    intents,
    invoice_items,
    invoice_lines,
    invoice_payments,
    invoices,
    periods,
    planned_ends,
    setup_intents,
    subscription_items,
    subscription_state,
    subscription_terms,
)
from sandbox.store import Obj, Store

DAY = 86400
NO_METHOD = (
    "This customer has no attached payment source or default payment method. Please consider adding a default payment "
    "method. For more information, visit https://stripe.com/docs/billing/payment-methods/overview."
)


def start(store: Store, *, customer: str, items: list[dict[str, Any]], **given: Any) -> Obj:
    """Make a subscription with everything that Stripe makes with it, and give it as it stands after the first try.

    `given` takes the other parameters of Stripe's create call. A refused card leaves the subscription incomplete, or
    raises with `payment_behavior="error_if_incomplete"` and leaves nothing.
    """
    given = {key: value for key, value in given.items() if value is not None}
    if given.get("payment_behavior") != "error_if_incomplete":
        return _started(store, customer, items, given)
    with store.savepoint():
        subscription = _started(store, customer, items, given)
        if subscription["status"] == "incomplete":
            raise_unpaid(store, store.get("invoice", subscription["latest_invoice"]))
    return subscription


def raise_unpaid(store: Store, invoice: Obj) -> None:
    """Raise the 402 of an invoice whose first try failed or needs the buyer."""
    waiting = invoice_payments.open_of(store, invoice)
    intent = store.get("payment_intent", waiting["_intent"]) if waiting else None
    if intent and intent["last_payment_error"]:
        intents.raise_failure(store, intent, intent["last_payment_error"])
    message = "This payment requires additional user action before it can be completed successfully."
    raise errors.StripeError(message, status=402, type="card_error", code="subscription_payment_intent_requires_action")


def warn_before_trial_ends(store: Store, subscription: Obj) -> None:
    """Tell once, three days before a trial ends, or at once where it is shorter."""
    now = store.now(subscription["customer"])
    if not subscription["_trial_told"] and now >= subscription["trial_end"] - 3 * DAY:
        subscription = store.put(subscription | {"_trial_told": True})
        events.emit(store, "customer.subscription.trial_will_end", subscription)


def invoice_settings(store: Store, subscription: Obj) -> dict[str, Any]:
    """Give what every invoice of a subscription takes over from it."""
    details = {"metadata": subscription["metadata"], "subscription": subscription["id"]}
    details["subscription_proration_date"] = None
    due_days = subscription["days_until_due"]
    return {
        "collection_method": subscription["collection_method"],
        "currency": subscription["currency"],
        "due_date": store.now(subscription["customer"]) + due_days * DAY if due_days is not None else None,
        "parent": {"quote_details": None, "subscription_details": details, "type": "subscription_details"},
        "payment_settings": {
            "default_mandate": None,
            "payment_method_options": None,
            "payment_method_types": subscription["payment_settings"]["payment_method_types"],
        },
        "_subscription": subscription["id"],
    }


def _started(store: Store, customer_id: str, items: list[dict[str, Any]], given: dict[str, Any]) -> Obj:
    customer = customers.existing(store, customer_id)
    subscription = made(store, customer, items, given)
    invoice = first_invoice(store, subscription, given)
    asks_nothing = subscription["collection_method"] == "send_invoice" or not invoice["amount_due"]
    if subscription["status"] == "incomplete" and asks_nothing:
        subscription["status"] = "active"
    subscription |= {"latest_invoice": invoice["id"]} | _setup_of_trial(store, subscription)
    events.emit(store, "customer.subscription.created", store.put(subscription))
    if subscription["status"] == "trialing":
        warn_before_trial_ends(store, subscription)
    _collect_first(store, subscription, invoice, given)
    return store.get("subscription", subscription["id"])


def made(store: Store, customer: Obj, items: list[dict[str, Any]], given: dict[str, Any]) -> Obj:
    """Write a subscription and its items, before anything is invoiced."""
    if not items:
        raise errors.invalid("Missing required param: items.", param="items", code="parameter_missing")
    prices = [subscription_items.chosen_price(store, item, at=f"items[{place}]") for place, item in enumerate(items)]
    _check_currency(store, customer, given.get("currency") or prices[0]["currency"])
    subscription = subscription_terms.made(store, customer, given, prices)
    for place, (item, price) in enumerate(zip(items, prices, strict=True)):
        end = subscription["trial_end"] or _cycle(subscription, price)[1]
        subscription_items.add(store, subscription, item, price, (subscription["created"], end), at=f"items[{place}]")
    return store.put(subscription | planned_ends.asked(store, subscription, given))


def _cycle(subscription: Obj, price: Obj) -> tuple[int, int]:
    anchor = subscription["billing_cycle_anchor"]
    return periods.containing(anchor, price["recurring"], subscription["created"])


def _check_currency(store: Store, customer: Obj, currency: str) -> None:
    """Raise Stripe's 400 where a running subscription of the customer is in another currency."""
    for other in store.find("subscription", customer=customer["id"]):
        if other["status"] not in subscription_state.ENDED and other["currency"] != currency:
            message = (
                "You cannot combine currencies on a single customer. This customer has an active subscription, "
                f"subscription schedule, discount, quote, or invoice item with currency {other['currency']}"
            )
            raise errors.invalid(message)


def first_invoice(store: Store, subscription: Obj, given: dict[str, Any]) -> Obj:
    """Draft the first invoice of a subscription, with all that waits for it."""
    for each in given.get("add_invoice_items") or []:
        invoice_items.once(store, subscription, each)
    prorated = given.get("proration_behavior") != "none"
    lines = [_first_line(store, subscription, item, prorated) for item in subscription_items.of(store, subscription)]
    invoice = invoices.draft(
        store,
        subscription["customer"],
        billing_reason="subscription_create",
        lines=lines,
        **invoice_settings(store, subscription),
    )
    pending = invoice_items.waiting(store, subscription["customer"], subscription["id"], subscription["currency"])
    return invoice_items.take(store, invoice, pending)


def _first_line(store: Store, subscription: Obj, item: Obj, prorated: bool) -> Obj:
    """Describe what the first period costs: nothing in a trial, a part where it is shorter than a whole one."""
    price = subscription_items.price_of(store, item)
    period = (item["current_period_start"], item["current_period_end"])
    if subscription["status"] == "trialing":
        product = store.get("product", price["product"])
        words = f"Trial period for {product['name']}"
        return invoice_lines.for_item(store, subscription, item, period, amount=0, description=words)
    whole = amounts.amount_of(price, item["quantity"], subscription["currency"])
    cycle = _cycle(subscription, price)
    amount = amounts.part(whole, period[1] - period[0], cycle[1] - cycle[0]) if cycle[0] != period[0] else whole
    if cycle[0] != period[0] and not prorated:
        amount = 0
    return invoice_lines.for_item(store, subscription, item, period, amount=amount)


def _setup_of_trial(store: Store, subscription: Obj) -> dict[str, Any]:
    """Make the setup intent by which a buyer without a card gives one while nothing is asked for."""
    if subscription["status"] != "trialing" or subscription_state.method_of(store, subscription):
        return {}
    intent = setup_intents.create_setup(store, customer=subscription["customer"], usage="off_session")
    return {"pending_setup_intent": intent["id"]}


def _collect_first(store: Store, subscription: Obj, invoice: Obj, given: dict[str, Any]) -> None:
    method = subscription_state.method_of(store, subscription)
    behavior = given.get("payment_behavior") or "allow_incomplete"
    if subscription["status"] == "incomplete" and behavior != "default_incomplete" and not method:
        raise errors.invalid(NO_METHOD, code="resource_missing")
    invoice = invoices.finalize(store, invoice)
    if invoice["status"] != "open" or invoice["collection_method"] == "send_invoice":
        return
    if behavior != "default_incomplete":
        collection.attempt(store, invoice, method, off_session=bool(given.get("off_session")))
