"""What a test may ask of the sandbox and of no real Stripe: time, faults, deliveries, buyers and banks."""

from collections.abc import Callable
from typing import Any

from werkzeug import Response

from sandbox import (
    bank_pages,
    checkout_payment,
    clocks,
    disputes,
    errors,
    events,
    refunds,
    rendering,
    routes,
    screens,
    webhook_endpoints,
    webhooks,
)
from sandbox.answers import json_response
from sandbox.checkout_payment import Form
from sandbox.routes import Door
from sandbox.store import Obj

LOOPBACK = ("127.", "::1", "::ffff:127.")
# Days after which a failed renewal is tried again; what becomes of the subscription after the last try.
ACCOUNT_SETTINGS = ("retry_days", "after_last_try")
Control = Callable[[Door, dict[str, Any]], Any]


def control(method: str, path: str) -> Callable[[Control], Control]:
    """Register an address under /_sandbox: it takes JSON, works in one transaction, and answers JSON."""

    def register(handler: Control) -> Control:
        @routes.door(method, f"/_sandbox{path}")
        def opened(door: Door) -> Response:
            if not (door.request.remote_addr or "").startswith(LOOPBACK):
                raise errors.StripeError("The control endpoints answer on loopback alone.", status=403)
            try:
                return json_response(200, handler(door, _asked(door)))
            except (KeyError, TypeError, ValueError) as mistake:
                raise errors.invalid(f"That cannot be asked: {mistake!r}") from mistake

        return handler

    return register


@control("GET", "/health")
def health(door: Door, asked: dict[str, Any]) -> Any:
    return {"status": "ok", "now": door.store.now()}


@control("GET", "/clock")
def read_clock(door: Door, asked: dict[str, Any]) -> Any:
    return {"now": door.store.now(door.request.args.get("customer"))}


@control("POST", "/clock")
def move_clock(door: Door, asked: dict[str, Any]) -> Any:
    """Move the global clock, or one customer's: `advance` seconds, or `to` a moment."""
    store, customer = door.store, asked.get("customer")
    clock = clocks.give(store, customer) if customer else None
    to = int(asked["to"]) if asked.get("to") is not None else store.now(customer) + int(asked.get("advance") or 0)
    clocks.advance(store, clock, to)
    return {"now": store.now(customer), "test_clock": clock}


@control("POST", "/settings")
def change_settings(door: Door, asked: dict[str, Any]) -> Any:
    """Set what an account's owner sets in Stripe's dashboard, such as what follows the last failed try."""
    for name in asked:
        if name not in ACCOUNT_SETTINGS:
            raise errors.invalid(f"Received unknown setting: {name}", param=name, code="parameter_unknown")
    with door.store.transaction():
        for name, value in asked.items():
            door.store.set_setting(name, value)
    return asked


@control("POST", "/faults")
def add_fault(door: Door, asked: dict[str, Any]) -> Any:
    door.engine.faults.add(asked)
    return asked


@control("DELETE", "/faults")
def clear_faults(door: Door, asked: dict[str, Any]) -> Any:
    door.engine.faults.clear()
    return {}


@control("POST", "/webhooks")
def set_webhooks(door: Door, asked: dict[str, Any]) -> Any:
    webhooks.set_mode(door.store, webhooks.mode_from(asked))
    return asked


@control("POST", "/webhooks/flush")
def flush(door: Door, asked: dict[str, Any]) -> Any:
    """Send all that waits now, and give each answer in the order of sending."""
    sent = door.engine.deliveries.flush()
    return {"count": len(sent), "statuses": [each["status"] for each in sent], "deliveries": sent}


@control("GET", "/webhooks/deliveries")
def deliveries(door: Door, asked: dict[str, Any]) -> Any:
    return {"data": list(door.engine.deliveries.log), "pending": len(door.store.find("_delivery"))}


@control("POST", "/events/<id>/send")
def send_again(door: Door, asked: dict[str, Any]) -> Any:
    event = door.store.get("event", door.path["id"])
    times, at_once = int(asked.get("times") or 1), bool(asked.get("at_once"))
    return {"statuses": door.engine.deliveries.again(event, times=times, at_once=at_once)}


@control("GET", "/requests")
def requests(door: Door, asked: dict[str, Any]) -> Any:
    """Give the API requests whose number is above `since`."""
    found = door.engine.requests.since(int(door.request.args.get("since") or 0))
    return {"data": found, "last": found[-1]["number"] if found else int(door.request.args.get("since") or 0)}


@control("POST", "/reset")
def reset(door: Door, asked: dict[str, Any]) -> Any:
    seed = asked.get("seed")
    door.engine.reset(None if seed is None else int(seed))
    webhook_endpoints.from_command_line(door.engine)
    return {}


@control("POST", "/disputes")
def dispute(door: Door, asked: dict[str, Any]) -> Any:
    charge = door.store.get("charge", str(asked.get("charge")), param="charge")
    with door.store.transaction():
        return _shown(door, disputes.open_dispute(door.store, charge, str(asked.get("reason") or "fraudulent")))


@control("POST", "/disputes/<id>/close")
def close_dispute(door: Door, asked: dict[str, Any]) -> Any:
    with door.store.transaction():
        found = door.store.get("dispute", door.path["id"])
        return _shown(door, disputes.close_dispute(door.store, found, won=bool(asked.get("won"))))


@control("POST", "/refunds/<id>/fail")
def fail_refund(door: Door, asked: dict[str, Any]) -> Any:
    with door.store.transaction():
        found = door.store.get("refund", door.path["id"])
        return _shown(door, refunds.fail(door.store, found, str(asked.get("reason") or "expired_or_canceled_card")))


@control("POST", "/checkout/<id>/pay")
def pay(door: Door, asked: dict[str, Any]) -> Any:
    """Do what the hosted page's form does, with a good date and code where none is given."""
    form = Form(
        card=str(asked.get("card") or "4242424242424242"),
        expiry=screens.expiry_from(str(asked.get("expiry") or "12/2045")),
        cvc=str(asked.get("cvc") or "123"),
        email=asked.get("email"),
        country=asked.get("country"),
        name=asked.get("name"),
    )
    with door.store.transaction():
        session = checkout_payment.submit(door.store, door.path["id"], form)
    return {"session": _shown(door, session), "next": checkout_payment.next_page(door.store, session)}


@control("POST", "/3ds/<id>")
def confirm_at_bank(door: Door, asked: dict[str, Any]) -> Any:
    with door.store.transaction():
        intent = bank_pages.waiting(door.store, door.path["id"])
        return _shown(door, bank_pages.confirm(door.store, intent, success=bool(asked.get("success", True))))


@control("POST", "/events")
def emit(door: Door, asked: dict[str, Any]) -> Any:
    """Tell of an object as it stands, under any type of event."""
    with door.store.transaction():
        found = door.store.lookup(str(asked.get("object")))
        if found is None:
            raise errors.invalid("No such object.", param="object", code="resource_missing")
        return events.emit(door.store, str(asked["type"]), found)


def _shown(door: Door, obj: Obj) -> Obj:
    return rendering.rendered(door.store, obj)


def _asked(door: Door) -> dict[str, Any]:
    given = door.request.get_json(silent=True) if door.request.data else {}
    if not isinstance(given, dict):
        raise errors.invalid("The body must be a JSON object.")
    return given
