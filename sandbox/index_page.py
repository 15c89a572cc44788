"""The page at `/`: what this is, which cards there are, and what was asked of it last."""

from datetime import UTC, datetime
from itertools import islice

from werkzeug import Response

from sandbox import cards, control, currencies, routes, screens
from sandbox.routes import Door
from sandbox.store import Obj

SHOWN = 10
Row = tuple[str, str, str]
MEANINGS = {
    "visa": "pays",
    "chargeDeclined": "is declined",
    "chargeDeclinedInsufficientFunds": "is declined: insufficient funds",
    "authenticationRequired": "asks for 3D Secure, each time",
    "chargeCustomerFail": "is kept, and declined when it is charged",
    "createDispute": "pays, and is disputed",
    "pendingRefund": "pays; a refund waits five days",
    "refundFail": "pays; a refund comes back",
}


@routes.door("GET", "/")
def index(door: Door) -> Response:
    """Show it to everybody; what was asked and bought only to this machine."""
    own = (door.request.remote_addr or "").startswith(control.LOOPBACK)
    known = [(_spaced(cards.TOKENS[name]), f"pm_card_{name}", meaning) for name, meaning in MEANINGS.items()]
    return screens.index(known, _seen(door) if own else [])


@control.control("GET", "/sessions")
def sessions(door: Door, asked: Obj) -> Obj:
    """Give the checkout sessions, newest first."""
    return {"data": list(door.store.newest("checkout.session"))}


@control.control("GET", "/events")
def events(door: Door, asked: Obj) -> Obj:
    """Give the events, newest first."""
    return {"data": list(door.store.newest("event"))}


def _seen(door: Door) -> list[tuple[str, str, list[Row]]]:
    asked = reversed(door.engine.requests.since(0))
    return [
        (
            "Checkout sessions",
            "/_sandbox/sessions",
            [_session(each) for each in islice(door.store.newest("checkout.session"), SHOWN)],
        ),
        (
            "Events",
            "/_sandbox/events",
            [(each["type"], each["id"], _time(each["created"])) for each in islice(door.store.newest("event"), SHOWN)],
        ),
        (
            "Requests",
            "/_sandbox/requests",
            [
                (f"{each['method']} {each['path']}", _time(each["created"]), str(each["status"]))
                for each in islice(asked, SHOWN)
            ],
        ),
    ]


def _session(session: Obj) -> Row:
    total = session.get("amount_total")
    amount = "" if total is None else currencies.shown(total, session["currency"])
    return session.get("url") or session["id"], amount, session["status"]


def _spaced(number: str) -> str:
    return " ".join(number[at : at + 4] for at in range(0, len(number), 4))


def _time(seconds: float) -> str:
    return datetime.fromtimestamp(seconds, UTC).strftime("%Y-%m-%d %H:%M:%S UTC")
