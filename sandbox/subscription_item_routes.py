"""The addresses of subscription items; each change is a change of the whole subscription."""

from typing import Any

from sandbox import (
    errors,
    pending_updates,
    routes,
    served,
    subscription_changes,
    subscription_items,
    subscription_state,
)
from sandbox.routes import Call
from sandbox.store import Obj

URL = "/v1/subscription_items"
OF_ITEM = ("metadata", "plan", "price", "price_data", "quantity")
OF_CHANGE = ("off_session", "payment_behavior", "proration_behavior", "proration_date")


@routes.route("GET", URL, params="SubscriptionItemListParams")
def list_all(call: Call) -> Obj:
    subscription = call.store.get("subscription", call.params["subscription"], param="subscription")
    return routes.listing(call, reversed(subscription_items.of(call.store, subscription)), URL)


@routes.route("GET", URL + "/<id>", params="SubscriptionItemRetrieveParams")
def retrieve(call: Call) -> Obj:
    return call.store.get("subscription_item", call.path["id"])


@routes.route("POST", URL, params="SubscriptionItemCreateParams")
def create(call: Call) -> Obj:
    served.only(call.params, "subscription", *OF_ITEM, *OF_CHANGE)
    subscription = call.store.get("subscription", call.params["subscription"], param="subscription")
    known = {item["id"] for item in subscription_items.of(call.store, subscription)}
    _change(call, subscription, {key: call.params[key] for key in OF_ITEM if key in call.params})
    added = [item for item in subscription_items.of(call.store, subscription) if item["id"] not in known]
    if not added:
        message = "The new item waits for its payment; the subscription's pending_update shows it."
        raise errors.invalid(message, code="subscription_item_pending")
    return added[0]


@routes.route("POST", URL + "/<id>", params="SubscriptionItemModifyParams")
def update(call: Call) -> Obj:
    served.only(call.params, *OF_ITEM, *OF_CHANGE)
    item = call.store.get("subscription_item", call.path["id"])
    subscription = call.store.get("subscription", item["subscription"])
    _change(call, subscription, {"id": item["id"]} | {key: call.params[key] for key in OF_ITEM if key in call.params})
    return call.store.get("subscription_item", item["id"])


@routes.route("DELETE", URL + "/<id>", params="SubscriptionItemDeleteParams")
def delete(call: Call) -> Obj:
    served.only(call.params, *OF_CHANGE)
    item = call.store.get("subscription_item", call.path["id"])
    _change(call, call.store.get("subscription", item["subscription"]), {"id": item["id"], "deleted": True})
    return {"id": item["id"], "object": "subscription_item", "deleted": True}


def _change(call: Call, subscription: Obj, item: dict[str, Any]) -> None:
    if subscription["status"] in subscription_state.ENDED:
        raise errors.missing("subscription", subscription["id"], "subscription")
    params = {key: call.params[key] for key in OF_CHANGE if key in call.params} | {"items": [item]}
    behavior = params.get("payment_behavior")
    if behavior == "pending_if_incomplete":
        pending_updates.apply_or_wait(call.store, subscription, params)
    elif behavior == "error_if_incomplete":
        subscription_changes.apply_or_refuse(call.store, subscription, params)
    else:
        subscription_changes.apply(call.store, subscription, params)
