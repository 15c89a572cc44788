"""The terms of a subscription: its trial, its anchor, who pays and how, as the parameters ask."""

from typing import Any

from sandbox import errors, periods
from sandbox.metadata import merged
from sandbox.store import Obj, Store

DAY = 86400
LONGEST_TRIAL_DAYS = 730
# What Stripe takes since API version 2025-09-30 where nothing is said.
FLEXIBLE = {"flexible": {"proration_discounts": "included"}, "type": "flexible", "updated_at": None}


def made(store: Store, customer: Obj, given: dict[str, Any], prices: list[Obj]) -> Obj:
    """Write a subscription without items; raise Stripe's 400 for terms that contradict."""
    now = store.now(customer["id"])
    trial_end = trial_end_of(given, prices[0], now)
    subscription = _blank(store, customer) | {
        "billing_cycle_anchor": _anchor(given, prices[0], now, trial_end),
        "currency": given.get("currency") or prices[0]["currency"],
        "status": "trialing" if trial_end else "incomplete",
        "trial_end": trial_end,
        "trial_start": now if trial_end else None,
    }
    return store.put(subscription | _chosen(store, customer, given))


def trial_end_of(given: dict[str, Any], first: Obj, now: int) -> int | None:
    """Give the end of the trial that the parameters ask for; raise for one in the past or beyond two years."""
    days, end = given.get("trial_period_days"), given.get("trial_end")
    if days is not None and end is not None:
        message = "You may only specify one of these parameters: trial_end, trial_period_days."
        raise errors.invalid(message, param="trial_end", code="parameters_exclusive")
    if days is None and end is None and given.get("trial_from_plan"):
        days = first["recurring"]["trial_period_days"]
    if end == "now" or (end is None and not days):
        return None
    moment = int(end) if end is not None else now + int(days or 0) * DAY
    if not now < moment <= now + LONGEST_TRIAL_DAYS * DAY:
        message = f"Invalid timestamp: must be in the future and at most {LONGEST_TRIAL_DAYS} days ahead."
        raise errors.invalid(message, param="trial_end" if end is not None else "trial_period_days")
    return moment


def _anchor(given: dict[str, Any], first: Obj, now: int, trial_end: int | None) -> int:
    anchor = given.get("billing_cycle_anchor")
    if given.get("billing_cycle_anchor_config"):
        anchor = periods.next_day_of_month(now, given["billing_cycle_anchor_config"])
    if anchor is None:
        return trial_end or now
    natural = periods.boundary(trial_end or now, first["recurring"], 1)
    if not now <= anchor <= natural:
        message = f"billing_cycle_anchor cannot be later than next natural billing date ({natural}) for plan"
        raise errors.invalid(message, param="billing_cycle_anchor")
    return int(anchor)


def _chosen(store: Store, customer: Obj, given: dict[str, Any]) -> dict[str, Any]:
    method = given.get("default_payment_method")
    if method:
        check_method(store, customer["id"], method)
    settings = dict.fromkeys(("payment_method_options", "payment_method_types", "save_default_payment_method"))
    settings["save_default_payment_method"] = "off"
    collection_method = given.get("collection_method") or "charge_automatically"
    days = given.get("days_until_due")
    if (collection_method == "send_invoice") != (days is not None):
        message = "`days_until_due` goes with `collection_method=send_invoice`, and only with it."
        raise errors.invalid(message, param="days_until_due")
    classic = (given.get("billing_mode") or {}).get("type") == "classic"
    return {
        "billing_mode": {"flexible": None, "type": "classic", "updated_at": None} if classic else FLEXIBLE,
        "collection_method": collection_method,
        "days_until_due": days,
        "default_payment_method": method,
        "description": given.get("description") or None,
        "metadata": merged({}, given.get("metadata")),
        "payment_settings": settings | (given.get("payment_settings") or {}),
        "trial_settings": given.get("trial_settings") or {"end_behavior": {"missing_payment_method": "create_invoice"}},
    }


def check_method(store: Store, customer_id: str, method: str) -> None:
    """Raise Stripe's 400 for a payment method of somebody else."""
    found = store.get("payment_method", method, param="default_payment_method")
    if found["customer"] != customer_id:
        message = (
            f"The customer does not have a payment method with the ID {method}. "
            "The payment method must be attached to the customer."
        )
        raise errors.invalid(message, param="default_payment_method", code="resource_missing")


def _blank(store: Store, customer: Obj) -> Obj:
    now = store.now(customer["id"])
    return dict.fromkeys(NULL_AT_FIRST) | {
        "id": store.new_id("sub"),
        "object": "subscription",
        "automatic_tax": {"disabled_reason": None, "enabled": False, "liability": None},
        "billing_schedules": [],
        "cancel_at_period_end": False,
        "cancellation_details": dict.fromkeys(("comment", "feedback", "feedback_option", "reason")),
        "created": now,
        "customer": customer["id"],
        "default_tax_rates": [],
        "discounts": [],
        "invoice_settings": dict.fromkeys(("account_tax_ids", "custom_fields", "description", "footer"))
        | {"issuer": {"type": "self"}},
        "livemode": False,
        "managed_payments": {"enabled": False},
        "start_date": now,
        "test_clock": customer["test_clock"],
        "_trial_told": False,
        "_pending": None,
    }


NULL_AT_FIRST = (
    *("application", "application_fee_percent", "billing_cycle_anchor_config", "billing_thresholds", "cancel_at"),
    *("canceled_at", "customer_account", "default_source", "ended_at", "latest_invoice"),
    *("next_pending_invoice_item_invoice", "on_behalf_of", "pause_collection", "pending_invoice_item_interval"),
    *("pending_setup_intent", "pending_update", "schedule", "transfer_data"),
)
