"""What the mirror may keep of Stripe's objects: an allow-list, so that a field that Stripe adds tomorrow stays out.

Numbers and booleans stay, texts only under the names below; what describes a person goes as a whole, and so does every
secret and link. Who bought is told by ids alone.
"""

from __future__ import annotations

import re
from typing import Any

# Texts that say which, what kind, how far: never who.
TEXTS = {
    "account_country",
    "api_version",
    "balance_transaction",
    "billing_reason",
    "billing_scheme",
    "brand",
    "cancellation_reason",
    "capture_method",
    "charge",
    "client_reference_id",
    "code",
    "collection_method",
    "confirmation_method",
    "country",
    "currency",
    "customer",
    "decline_code",
    "default_payment_method",
    "display_brand",
    "failure_code",
    "failure_reason",
    "funding",
    "id",
    "interval",
    "invoice",
    "latest_charge",
    "latest_invoice",
    "locale",
    "lookup_key",
    "mode",
    "object",
    "payment_intent",
    "payment_method",
    "payment_method_collection",
    "payment_method_types",
    "payment_status",
    "pending_setup_intent",
    "price",
    "proration_behavior",
    "product",
    "reason",
    "refund",
    "risk_level",
    "schedule",
    "setup_future_usage",
    "setup_intent",
    "source",
    "status",
    "submit_type",
    "subscription",
    "subscription_item",
    "tax_behavior",
    "tiers_mode",
    "type",
    "ui_mode",
    "unit_amount_decimal",
    "usage_type",
}
# Names that are a person's on one object and a thing's on another.
TEXTS_OF = {"product": {"name", "description"}, "price": {"nickname"}}
# Written by us, so known; whatever else stands in metadata is somebody's own text.
METADATA = {
    "card_setup_id",
    "checkout_id",
    "customer_id",
    "country",
    "invoice_id",
    "multiplier",
    "plan_id",
    "plan_version",
    "quote_id",
    "refund_id",
    "row_id",
    "user_id",
    "zone",
}
# Gone as a whole, numbers too: a date of birth is made of numbers.
PERSONAL = {
    "billing_details",
    "collected_information",
    "customer_address",
    "customer_details",
    "customer_shipping",
    "customer_tax_ids",
    "custom_fields",
    "dob",
    "fraud_details",
    "individual",
    "owner",
    "shipping",
    "shipping_details",
    "tax_ids",
}
# Even an allowed name holds a token, an id or a code of a few words: never an address, a sentence or a link.
LONGEST = 255
PLAIN = re.compile(r"[^@\s]*")


def redacted(stripe_object: dict[str, Any]) -> dict[str, Any]:
    """Return the object without what names a person, opens a door, or is not known to be harmless. May be repeated."""
    kind = str(stripe_object.get("object", ""))
    return {key: _kept(key, value, kind) for key, value in stripe_object.items()}


def _kept(key: str, value: Any, kind: str) -> Any:
    if key in PERSONAL:
        return None
    if key == "metadata" and isinstance(value, dict):
        return {name: text for name, text in value.items() if name in METADATA}
    if isinstance(value, dict):
        inner = str(value.get("object", kind))
        return {name: _kept(name, one, inner) for name, one in value.items()}
    if isinstance(value, list):
        return [_kept(key, one, kind) for one in value]
    return _text(key, value, kind) if isinstance(value, str) else value


def _text(key: str, value: str, kind: str) -> str | None:
    if key in TEXTS_OF.get(kind, ()):
        return value
    return value if key in TEXTS and len(value) <= LONGEST and PLAIN.fullmatch(value) else None
