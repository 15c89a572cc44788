"""A body for each operation that takes one, as it stands in the schema: `/api/docs` puts it into the box to try."""

from __future__ import annotations

from typing import Any

ID = "01a1ff82-784a-7590-9b7d-c14519422fad"
USER: dict[str, Any] = {"user_id": "anna"}
ASKED = USER | {"feature_code": "api_calls"}
REASON = "requested_by_customer"
JSON = "application/json"

BODIES: dict[str, dict[str, Any]] = {
    "post_quotes": {"plan_id": "premium-plan", "country_code": "IN"},
    "post_checkout_sessions": {
        "plan_id": "premium-plan",
        "country_code": "IN",
        "success_url": "http://127.0.0.1:9097/?checkout=paid",
        "cancel_url": "http://127.0.0.1:9097/?checkout=canceled",
    },
    "post_customers": USER | {"email": "anna@example.com", "name": "Anna", "country": "IN"},
    "patch_customer": {"email": "anna@example.com"},
    "post_payment_methods": {"payment_method_id": "pm_card_visa"},
    "post_payment_methods_setup": {"currency": "usd"},
    "post_payments": USER | {"amount": 2500, "currency": "USD", "order_id": "o-1", "description": "Two tickets"},
    "post_payment_intent": {"order_id": ID, "amount": 2500, "currency": "USD"} | USER,
    "patch_payment_status": {"status": "canceled", "reason": "the order was withdrawn"},
    "post_subscriptions": {"plan_id": "pro-monthly", "country_code": "IN", "payment_method": "pm_card_visa"},
    "post_subscription_preview": {"plan_id": "basic-monthly"},
    "patch_subscription": {"plan_id": "basic-monthly", "preview_id": ID},
    "post_subscription_reactivate": {},
    "post_subscription_consent": {"accept": True},
    "post_subscription_pause": {"resumes_at": "2030-01-31T00:00:00Z"},
    "post_refunds": {"payment_id": ID, "amount": 500, "reason": REASON},
    "post_refund_approvals": {"payment_id": ID, "amount": 90000, "reason": REASON},
    "post_invoices": {"subscription_id": ID},
    "post_entitlement_check": ASKED | {"requested": 20, "explain": True},
    "post_entitlement_check_bulk": {"user_ids": ["anna", "mia"], "feature_codes": ["export", "api_calls"]},
    "post_entitlements": USER | {"plan_id": "pro-monthly", "expires_at": "2030-01-31T00:00:00Z", "reason": "a prize"},
    "patch_entitlement": {"status": "suspended", "reason": "asked by the owner"},
    "post_overrides": ASKED | {"effect": "value", "operation": "add", "limit": 500, "reason": "an outage of ours"},
    "post_families": {"name": "Home"},
    "post_family_invitations": {"user_id": "mia", "expires_in": 86400},
    "post_family_transfer": {"user_id": "mia"},
    "post_invitation_accept": {},
    "post_invitation_decline": {},
    "post_usage": ASKED | {"units": 3, "event_id": "req-4711"},
    "post_usage_batch": {"events": [ASKED | {"units": 3, "event_id": "req-4711"}, ASKED | {"event_id": "req-4712"}]},
    "post_usage_corrections": {"usage_id": ID, "units": -10, "reason": "counted twice"},
    "post_reservations": ASKED | {"units": 50, "expires_in": 900},
    "post_reservation_commit": {"units": 42},
    "post_ofrep_flag": {"context": {"targetingKey": "anna"}},
    "post_ofrep_flags": {"context": {"targetingKey": "anna"}},
    "put_pricing_zone": {"country": "India", "zone": "C", "reason": "as the World Bank has it"},
    "post_pricing_zones_bulk": {"rows": [{"iso_code": "IN", "country": "India", "zone": "C"}], "dry_run": True},
}
