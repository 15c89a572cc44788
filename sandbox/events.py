"""Stripe's events: a snapshot of an object, written with the change and queued for delivery."""

from contextvars import ContextVar
from typing import Any

from sandbox import API_VERSION, rendering, routes, webhooks
from sandbox.routes import Call
from sandbox.store import Obj, Store

# The request that runs now (its id and its idempotency key), which every event names; None when the clock caused it.
CAUSE: ContextVar[tuple[str | None, str | None]] = ContextVar("cause", default=(None, None))


def emit(store: Store, type: str, obj: Obj, previous: dict[str, Any] | None = None) -> Obj:
    """Write an event with the object as it stands now, and queue it for every endpoint that wants its type."""
    request_id, idempotency_key = CAUSE.get()
    data: dict[str, Any] = {"object": rendering.rendered(store, obj)}
    if previous is not None:
        data["previous_attributes"] = previous
    event = {
        "id": store.new_id("evt"),
        "object": "event",
        "api_version": API_VERSION,
        "created": store.now(customer_of(obj)),
        "data": data,
        "livemode": False,
        "pending_webhooks": len(webhooks.wanting(store, type)),
        "request": {"id": request_id, "idempotency_key": idempotency_key},
        "type": type,
    }
    store.put(event)
    webhooks.queue(store, event)
    return event


def changes(before: Obj, after: Obj) -> dict[str, Any]:
    """Give the old values of the keys that changed, as `previous_attributes` holds them."""
    return {key: before.get(key) for key in after if before.get(key) != after[key]}


def customer_of(obj: Obj) -> str | None:
    """Give the customer whose clock an object follows; one that Stripe shows without a customer keeps it privately."""
    customer = obj.get("id") if obj.get("object") == "customer" else obj.get("customer") or obj.get("_customer")
    return customer if isinstance(customer, str) else None


@routes.route("GET", "/v1/events", params="EventListParams")
def list_events(call: Call) -> Obj:
    wanted = call.params.get("types") or [call.params.get("type") or "*"]
    found = call.store.newest("event")
    fitting = (event for event in found if any(webhooks.type_fits(event["type"], each) for each in wanted))
    return routes.listing(call, fitting, "/v1/events")


@routes.route("GET", "/v1/events/<id>", params="EventRetrieveParams")
def retrieve_event(call: Call) -> Obj:
    return call.store.get("event", call.path["id"])
