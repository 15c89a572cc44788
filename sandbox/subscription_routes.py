"""The addresses of subscriptions."""

from sandbox import (
    errors,
    pending_updates,
    planned_ends,
    routes,
    served,
    subscription_changes,
    subscription_ends,
    subscription_state,
    subscriptions,
)
from sandbox.metadata import merged
from sandbox.routes import Call
from sandbox.store import Obj

URL = "/v1/subscriptions"
STARTED_WITH = (
    *("customer", "items", "add_invoice_items", "billing_cycle_anchor", "billing_cycle_anchor_config", "billing_mode"),
    *("cancel_at", "cancel_at_period_end", "collection_method", "currency", "days_until_due"),
    *("default_payment_method", "description", "metadata", "off_session", "payment_behavior", "payment_settings"),
    *("proration_behavior", "trial_end", "trial_from_plan", "trial_period_days", "trial_settings"),
)
CHANGED_WITH = (
    *("add_invoice_items", "billing_cycle_anchor", "cancel_at", "cancel_at_period_end", "cancellation_details"),
    *("collection_method", "days_until_due", "default_payment_method", "description", "items", "metadata"),
    *("off_session", "pause_collection", "payment_behavior", "payment_settings", "proration_behavior"),
    *("proration_date", "trial_end", "trial_settings"),
)
# What may still change once a subscription has ended.
CHANGED_LATE = {"cancellation_details", "metadata"}


@routes.route("POST", URL, params="SubscriptionCreateParams")
def create(call: Call) -> Obj:
    served.only(call.params, *STARTED_WITH)
    given = {"customer": "", "items": []} | call.params
    return subscriptions.start(call.store, **given)


@routes.route("GET", URL, params="SubscriptionListParams")
def list_all(call: Call) -> Obj:
    equal = {key: call.params[key] for key in ("customer", "collection_method", "test_clock") if key in call.params}
    if not equal.keys() & {"customer", "test_clock"}:
        # Subscriptions of a test clock show only where the clock or the customer is asked for.
        equal["test_clock"] = None
    status, price = call.params.get("status"), call.params.get("price")

    def fits(each: Obj) -> bool:
        alive = each["status"] not in subscription_state.ENDED
        wanted = {None: each["status"] != "canceled", "all": True, "ended": not alive}
        return bool(wanted.get(status, each["status"] == status)) and (not price or _has_price(call, each, price))

    return routes.listing(call, call.store.find("subscription", fits, **equal), URL)


@routes.route("GET", URL + "/<id>", params="SubscriptionRetrieveParams")
def retrieve(call: Call) -> Obj:
    return call.store.get("subscription", call.path["id"])


@routes.route("POST", URL + "/<id>", params="SubscriptionModifyParams")
def update(call: Call) -> Obj:
    subscription = call.store.get("subscription", call.path["id"])
    served.only(call.params, *CHANGED_WITH)
    if subscription["status"] in subscription_state.ENDED:
        return _changed_late(call, subscription)
    behavior = call.params.get("payment_behavior")
    if behavior == "pending_if_incomplete":
        return pending_updates.apply_or_wait(call.store, subscription, call.params)
    if behavior == "error_if_incomplete":
        return subscription_changes.apply_or_refuse(call.store, subscription, call.params)
    return subscription_changes.apply(call.store, subscription, call.params)


@routes.route("DELETE", URL + "/<id>", params="SubscriptionCancelParams")
def cancel(call: Call) -> Obj:
    subscription = call.store.get("subscription", call.path["id"])
    if subscription["status"] in subscription_state.ENDED:
        raise errors.missing("subscription", subscription["id"])
    return subscription_ends.cancel(call.store, subscription, call.params)


@routes.route("POST", URL + "/<id>/resume", params="SubscriptionResumeParams")
def resume(call: Call) -> Obj:
    subscription = call.store.get("subscription", call.path["id"])
    return subscription_ends.resume(call.store, subscription, call.params)


def _changed_late(call: Call, subscription: Obj) -> Obj:
    if call.params.keys() - CHANGED_LATE:
        message = "A canceled subscription can only update its cancellation_details and metadata."
        raise errors.invalid(message, code="invalid_canceled_subscription_fields")
    details = planned_ends.with_details(subscription, call.params)
    metadata = merged(subscription["metadata"], call.params.get("metadata"))
    return subscription_state.change(call.store, subscription, cancellation_details=details, metadata=metadata)


def _has_price(call: Call, subscription: Obj, price: str) -> bool:
    return bool(call.store.find("subscription_item", subscription=subscription["id"], price=price))
