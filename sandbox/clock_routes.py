"""The addresses of test clocks."""

from typing import Any

from sandbox import clocks, customers, errors, events, periods, routes, subscription_items, subscription_state
from sandbox.routes import Call
from sandbox.store import Obj, Store

URL = "/v1/test_helpers/test_clocks"
# Stripe moves a clock over two intervals of the shortest subscription at most, in one call.
MOST_INTERVALS = 2


@routes.route("POST", URL, params="test_helpers.TestClockCreateParams")
def create(call: Call) -> Obj:
    moment, customer = call.params["frozen_time"], call.params.get("customer")
    if customer:
        owner = customers.existing(call.store, customer)
        if owner["test_clock"]:
            message = f"Customer {customer} is already attached to a test clock."
            raise errors.invalid(message, param="customer")
    clock = clocks.make(call.store, frozen_time=moment, name=call.params.get("name"))
    if customer:
        clocks.attach(call.store, customer, clock["id"])
    return clock


@routes.route("GET", URL, params="test_helpers.TestClockListParams")
def list_all(call: Call) -> Obj:
    return routes.listing(call, call.store.find(clocks.KIND), URL)


@routes.route("GET", URL + "/<id>", params="test_helpers.TestClockRetrieveParams")
def retrieve(call: Call) -> Obj:
    return call.store.get(clocks.KIND, call.path["id"])


@routes.route("DELETE", URL + "/<id>", params="test_helpers.TestClockDeleteParams")
def delete(call: Call) -> Obj:
    clock = call.store.get(clocks.KIND, call.path["id"])
    for customer in call.store.find("customer", test_clock=clock["id"]):
        customers.delete(Call(call.store, path={"id": customer["id"]}))
    call.store.drop(clocks.KIND, clock["id"])
    events.emit(call.store, f"{clocks.KIND}.deleted", clock)
    return {"id": clock["id"], "object": clocks.KIND, "deleted": True}


@routes.route("POST", URL + "/<id>/advance", params="test_helpers.TestClockAdvanceParams")
def advance(call: Call) -> Obj:
    """Move a clock; the answer still says `advancing`, as Stripe's does, and the next look says `ready`."""
    clock, to = call.store.get(clocks.KIND, call.path["id"]), call.params["frozen_time"]
    _check_distance(call.store, clock, to)
    moving = {"status": "advancing", "status_details": {"advancing": {"target_frozen_time": to}}}
    events.emit(call.store, f"{clocks.KIND}.advancing", clock | moving)
    clocks.advance(call.store, clock["id"], to)
    arrived = call.store.get(clocks.KIND, clock["id"])
    events.emit(call.store, f"{clocks.KIND}.ready", arrived)
    return arrived | moving | {"frozen_time": clock["frozen_time"]}


def _check_distance(store: Store, clock: Obj, to: int) -> None:
    shortest: dict[str, Any] | None = None
    for subscription in store.find("subscription", test_clock=clock["id"]):
        if subscription["status"] in subscription_state.ENDED:
            continue
        for item in subscription_items.of(store, subscription):
            recurring = subscription_items.price_of(store, item)["recurring"]
            if shortest is None or _reach(clock, recurring) < _reach(clock, shortest):
                shortest = recurring
    if shortest is not None and to > _reach(clock, shortest):
        message = (
            f"The target time must be within {MOST_INTERVALS} intervals of the shortest subscription on this clock: "
            f"at most {_reach(clock, shortest)}."
        )
        raise errors.invalid(message, param="frozen_time")


def _reach(clock: Obj, recurring: dict[str, Any]) -> int:
    return periods.boundary(clock["frozen_time"], recurring, MOST_INTERVALS)
