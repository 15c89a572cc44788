from __future__ import annotations

from datetime import datetime
from typing import Any
from uuid import UUID

from billing import gateway
from billing.gateway import Object


def create(*, row: UUID, customer: UUID, user_id: str, attempt: int) -> Object:
    """Make Stripe's customer for a row of ours. The same parameters at every try: Stripe holds them against the key."""
    params: Any = {"metadata": {"customer_id": str(customer), "user_id": user_id, "row_id": str(row)}}
    key = gateway.key("customer", row, "create", attempt)
    return gateway.post(lambda options: gateway.client().v1.customers.create(params, options), key)


def made_for(row: UUID, *, since: datetime, until: datetime) -> Object | None:
    """Find what was made for a row between two moments, in the list, which lags behind nothing, as a search would."""
    window: Any = {"created": {"gte": int(since.timestamp()), "lte": int(until.timestamp())}}
    found = gateway.pages("cus_", lambda page: gateway.client().v1.customers.list(page | window))
    return next((one for one in found if gateway.our_id(one, "row_id") == row), None)


def update(stripe_id: str, *, email: str, name: str, country: str) -> Object:
    """Tell Stripe who it is. Repeating it changes nothing. Stripe lets none of them be emptied.

    The country goes into the metadata: Stripe would lay it over the whole address that a buyer typed.
    """
    params: Any = {key: value for key, value in {"email": email, "name": name}.items() if value}
    if country:
        params["metadata"] = {"country": country}
    return gateway.ask(lambda: gateway.client().v1.customers.update(stripe_id, params))


def set_default(stripe_id: str, method: str) -> Object:
    """Let what recurs be paid by this method. Repeating it changes nothing."""
    params: Any = {"invoice_settings": {"default_payment_method": method}}
    return gateway.ask(lambda: gateway.client().v1.customers.update(stripe_id, params))
