"""One well-formed request for every operation of the schema, and every field that it can name."""

from __future__ import annotations

from collections.abc import Iterator
from copy import deepcopy
from dataclasses import dataclass, field
from typing import Any
from urllib.parse import quote, urlencode

from django.test import Client
from drf_spectacular.generators import SchemaGenerator

from tests.fuzz.corpora import as_json

ABSENT = "01900000-0000-7000-8000-000000000000"
BODIES: dict[str, dict[str, Any]] = {
    "post_quotes": {"plan_id": "premium-plan", "country_code": "IN"},
    "post_checkout_sessions": {
        "plan_id": "premium-plan",
        "country_code": "IN",
        "success_url": "http://localhost:3000/done",
        "cancel_url": "http://localhost:3000/back",
        "user_id": "anna",
    },
    "post_customers": {"user_id": "fuzzed", "email": "f@example.com", "name": "F", "country": "IN"},
    "patch_customer": {"email": "f@example.com", "name": "F", "country": "IN"},
    "post_payment_methods": {"payment_method_id": "pm_card_visa", "user_id": "anna", "currency": "usd"},
    "post_payment_methods_setup": {"user_id": "anna", "currency": "usd"},
    "post_payments": {"user_id": "anna", "quote_id": ABSENT},
    "post_payment_intent": {"order_id": ABSENT, "quote_id": ABSENT},
    "patch_payment_status": {"status": "canceled", "reason": "asked"},
    "post_subscriptions": {
        "plan_id": "pro-monthly",
        "country_code": "IN",
        "payment_method": "pm_card_visa",
        "trial_days": 0,
        "quantity": 1,
        "items": [{"plan_id": "basic-monthly", "quantity": 1}],
        "user_id": "anna",
    },
    "patch_subscription": {"quantity": 2, "items": [{"plan_id": "basic-monthly", "quantity": 1}], "expected_amount": 1},
    "post_subscription_preview": {"quantity": 2, "items": [{"plan_id": "basic-monthly", "quantity": 1}]},
    "post_subscription_reactivate": {"payment_method": "pm_card_visa", "country_code": "IN"},
    "post_subscription_consent": {"accept": True},
    "post_subscription_pause": {"resumes_at": "2030-01-01T00:00:00Z"},
    "post_refunds": {"payment_id": ABSENT},
    "post_refund_approvals": {"payment_id": ABSENT, "reason": "duplicate"},
    "post_invoices": {"subscription_id": ABSENT},
    "post_entitlement_check": {"user_id": "anna", "feature_code": "export"},
    "post_entitlement_check_bulk": {"user_ids": ["anna"], "feature_codes": ["export"]},
    "post_ofrep_flag": {"context": {"targetingKey": "anna"}},
    "post_ofrep_flags": {"context": {"targetingKey": "anna"}},
    "post_usage": {"user_id": "anna", "feature_code": "export", "units": 1, "event_id": "e-1", "metadata": {"a": "b"}},
    "post_usage_batch": {"events": [{"user_id": "anna", "feature_code": "export", "event_id": "e-1"}]},
    "post_usage_corrections": {"usage_id": ABSENT, "units": -1, "reason": "twice"},
    "post_reservations": {"user_id": "anna", "feature_code": "export", "units": 1, "expires_in": 60},
    "post_reservation_commit": {"units": 1},
    "put_pricing_zone": {"country": "Nowhere", "zone": "D"},
    "post_pricing_zones_bulk": {"rows": [{"iso_code": "QM", "country": "Nowhere", "zone": "D"}], "dry_run": True},
}
PATHS = {"user_id": "anna", "key": "export", "plan_id": "premium-plan", "iso_code": "QM", "id": ABSENT}
QUERIES = {"get_entitlement_check": {"user_id": "anna", "feature_code": "export"}}


@dataclass(frozen=True)
class Asked:
    """A request that can be sent with one field changed."""

    id: str
    method: str
    path: str
    schema: dict[str, Any]
    body: dict[str, Any] | None
    query: dict[str, Any] = field(default_factory=dict)

    def fields(self, schemas: dict[str, Any]) -> Iterator[tuple[str, str]]:
        """Name every field: where it stands, and its name (of a row: `rows.0.zone`)."""
        for parameter in self.schema.get("parameters", []):
            yield parameter["in"], parameter["name"]
        if self.body is None:
            return
        named = self.schema["requestBody"]["content"]["application/json"]["schema"]
        yield from (("body", name) for name in _properties(named, schemas, ""))

    def send(self, client: Client, where: str, name: str, value: Any) -> Any:
        """Send it with this value in this field."""
        path, query, headers, body = self.path, dict(self.query), {}, deepcopy(self.body)
        text = value if isinstance(value, str) else as_json(value).decode()
        if where == "path":
            path = path.replace(f"{{{name}}}", quote(text, safe="", errors="surrogatepass"))
        elif where == "query":
            query[name] = text
        elif where == "header":
            headers[name] = text.encode("utf-8", "surrogatepass").decode("latin-1")
        else:
            _put(body, name, value)
        for known, sample in PATHS.items():
            path = path.replace(f"{{{known}}}", sample)
        asked = f"{path}?{urlencode(query, errors='surrogatepass')}" if query else path
        return client.generic(
            self.method, asked, b"" if body is None else as_json(body), content_type="application/json", headers=headers
        )


def all_requests() -> tuple[list[Asked], dict[str, Any]]:
    """Return one request for each operation but Stripe's webhook, and the schema's components."""
    schema = SchemaGenerator().get_schema(request=None, public=True)
    found = [
        Asked(
            said["operationId"],
            method.upper(),
            path,
            said,
            BODIES[said["operationId"]] if "requestBody" in said else None,
            QUERIES.get(said["operationId"], {}),
        )
        for path, operations in schema["paths"].items()
        for method, said in operations.items()
        if said["operationId"] != "post_stripe_webhook"
    ]
    return found, schema["components"]["schemas"]


def _properties(named: dict[str, Any], schemas: dict[str, Any], before: str) -> Iterator[str]:
    if "$ref" in named:
        named = schemas[named["$ref"].rsplit("/", 1)[1]]
    for name, said in named.get("properties", {}).items():
        yield before + name
        if said.get("type") == "array":
            yield from _properties(said["items"], schemas, f"{before}{name}.0.")


def _put(body: Any, name: str, value: Any) -> None:
    *steps, last = name.split(".")
    for step in steps:
        body = body[int(step)] if step.isdigit() else body[step]
    body[last] = value
