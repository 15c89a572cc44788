"""When a subscription shall end: at the end of its period, at a moment, or not at all."""

from typing import Any

from sandbox import errors, subscription_items
from sandbox.store import Obj, Store

REQUESTED = "cancellation_requested"


def asked(store: Store, subscription: Obj, params: dict[str, Any]) -> dict[str, Any]:
    """Give what `cancel_at_period_end` and `cancel_at` change; raise Stripe's 400 for both at once, or for the past."""
    at, at_period_end = params.get("cancel_at"), params.get("cancel_at_period_end")
    if at and at_period_end:
        message = "You may only specify one of these parameters: cancel_at, cancel_at_period_end."
        raise errors.invalid(message, param="cancel_at", code="parameters_exclusive")
    if at_period_end:
        return _planned(store, subscription, _period_end(store, subscription, max), at_period_end=True)
    if at:
        return _planned(store, subscription, _moment(store, subscription, at), at_period_end=False)
    if at == "" or (at_period_end is False and subscription["cancel_at_period_end"]):
        return _kept(subscription)
    return {}


def with_details(subscription: Obj, params: dict[str, Any]) -> dict[str, Any]:
    """Lay the buyer's words over a subscription's cancellation details."""
    details = dict(subscription["cancellation_details"])
    for key, value in (params.get("cancellation_details") or {}).items():
        details[key] = value or None
    return details


def _planned(store: Store, subscription: Obj, moment: int, *, at_period_end: bool) -> dict[str, Any]:
    return {
        "cancel_at": moment,
        "cancel_at_period_end": at_period_end,
        "canceled_at": store.now(subscription["customer"]),
        "cancellation_details": subscription["cancellation_details"] | {"reason": REQUESTED},
    }


def _kept(subscription: Obj) -> dict[str, Any]:
    details = subscription["cancellation_details"] | {"reason": None}
    undone = dict.fromkeys(("cancel_at", "canceled_at"))
    return undone | {"cancel_at_period_end": False, "cancellation_details": details}


def _moment(store: Store, subscription: Obj, at: int | str) -> int:
    if at in ("min_period_end", "max_period_end", "max_billed_until"):
        return _period_end(store, subscription, min if at == "min_period_end" else max)
    if not str(at).isdigit() or int(at) <= store.now(subscription["customer"]):
        raise errors.invalid("Invalid timestamp: must be an integer Unix timestamp in the future.", param="cancel_at")
    return int(at)


def _period_end(store: Store, subscription: Obj, choose: Any) -> int:
    return int(choose(item["current_period_end"] for item in subscription_items.of(store, subscription)))
