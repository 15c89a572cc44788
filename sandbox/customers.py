"""Customers: who pays."""

from collections.abc import Callable
from typing import Any

from sandbox import errors, events, fields, payment_methods, rendering, routes
from sandbox.metadata import merged
from sandbox.routes import Call
from sandbox.store import Obj, Store

URL = "/v1/customers"

# What ends with a customer, such as its subscriptions: their modules register it here.
WHEN_DELETED: list[Callable[[Store, Obj], None]] = []


def when_deleted(follow: Callable[[Store, Obj], None]) -> Callable[[Store, Obj], None]:
    """Register what must end before a customer does."""
    WHEN_DELETED.append(follow)
    return follow


def make(store: Store, **params: Any) -> Obj:
    """Make a customer from the parameters of Stripe's create call."""
    clock = (
        store.get("test_helpers.test_clock", params["test_clock"], param="test_clock")
        if params.get("test_clock")
        else None
    )
    id = store.new_id("cus")
    customer: Obj = {
        "id": id,
        "object": "customer",
        "address": fields.address(params.get("address")),
        "balance": params.get("balance", 0),
        "created": clock["frozen_time"] if clock else store.now(),
        "currency": None,
        "customer_account": None,
        "default_source": None,
        "delinquent": False,
        "discount": None,
        "invoice_prefix": params.get("invoice_prefix") or store.token(8, series="prefixes").upper(),
        "invoice_settings": _invoice_settings(None, params.get("invoice_settings")),
        "livemode": False,
        "metadata": merged({}, params.get("metadata")),
        "next_invoice_sequence": params.get("next_invoice_sequence", 1),
        "preferred_locales": params.get("preferred_locales") or [],
        "shipping": fields.shipping(params.get("shipping")),
        "tax_exempt": params.get("tax_exempt") or "none",
        "test_clock": clock["id"] if clock else None,
    }
    customer |= fields.chosen(params, **dict.fromkeys(("description", "email", "name", "phone")))
    store.put(customer)
    if params.get("payment_method"):
        payment_methods.attach(store, payment_methods.taken(store, params["payment_method"]), id)
    _check_default(store, customer)
    events.emit(store, "customer.created", customer)
    return customer


def existing(store: Store, id: str, *, param: str = "customer") -> Obj:
    """Give a customer that another object names; raise Stripe's 400 for an absent or deleted one."""
    customer = store.get("customer", id, param=param)
    if customer.get("deleted"):
        raise errors.missing("customer", id, param)
    return customer


@routes.route("POST", URL, params="CustomerCreateParams")
def create(call: Call) -> Obj:
    fields.refuse(call.params, "cash_balance", "source", "tax", "tax_id_data")
    return make(call.store, **call.params)


@routes.route("GET", URL, params="CustomerListParams")
def list_all(call: Call) -> Obj:
    equal = {key: call.params[key] for key in ("email", "test_clock") if key in call.params}
    # Customers of a test clock show only where the clock is asked for.
    clock = {"test_clock": call.params.get("test_clock")}
    found = call.store.find("customer", lambda each: not each.get("deleted"), **(equal | clock))
    return routes.listing(call, found, URL)


@routes.route("GET", URL + "/<id>", params="CustomerRetrieveParams")
def retrieve(call: Call) -> Obj:
    return call.store.get("customer", call.path["id"])


@routes.route("POST", URL + "/<id>", params="CustomerUpdateParams")
def update(call: Call) -> Obj:
    customer = existing(call.store, call.path["id"], param="id")
    fields.refuse(call.params, "cash_balance", "source", "tax")
    new = fields.changed(customer, call.params, "description", "email", "name", "phone", "balance", "tax_exempt")
    if "address" in call.params:
        new["address"] = fields.address(call.params["address"])
    if "shipping" in call.params:
        new["shipping"] = fields.shipping(call.params["shipping"])
    if "preferred_locales" in call.params:
        new["preferred_locales"] = call.params["preferred_locales"] or []
    if "invoice_settings" in call.params:
        new["invoice_settings"] = _invoice_settings(customer["invoice_settings"], call.params["invoice_settings"])
        _check_default(call.store, new)
    new["metadata"] = merged(customer["metadata"], call.params.get("metadata"))
    changes = events.changes(customer, new)
    if changes:
        events.emit(call.store, "customer.updated", call.store.put(new), changes)
    return new


@routes.route("DELETE", URL + "/<id>", params="CustomerDeleteParams")
def delete(call: Call) -> Obj:
    customer = existing(call.store, call.path["id"], param="id")
    for follow in WHEN_DELETED:
        follow(call.store, customer)
    for method in call.store.find("payment_method", customer=customer["id"]):
        payment_methods.detach(call.store, method)
    events.emit(call.store, "customer.deleted", customer)
    gone = {"id": customer["id"], "object": "customer", "deleted": True}
    return call.store.put(gone)


@routes.route("GET", URL + "/<id>/payment_methods", params="CustomerPaymentMethodListParams")
def list_payment_methods(call: Call) -> Obj:
    customer = existing(call.store, call.path["id"], param="id")
    equal = {key: call.params[key] for key in ("type", "allow_redisplay") if key in call.params}
    found = call.store.find("payment_method", customer=customer["id"], **equal)
    return routes.listing(call, found, f"{URL}/{customer['id']}/payment_methods")


@routes.route("GET", URL + "/<id>/payment_methods/<method>", params="CustomerPaymentMethodRetrieveParams")
def retrieve_payment_method(call: Call) -> Obj:
    method = call.store.get("payment_method", call.path["method"])
    if method["customer"] != call.path["id"]:
        raise errors.missing("payment_method", method["id"])
    return method


@routes.route("GET", URL + "/<id>/sources", params="CustomerPaymentSourceListParams")
def list_sources(call: Call) -> Obj:
    return routes.listing(call, [], f"{URL}/{existing(call.store, call.path['id'], param='id')['id']}/sources")


@routes.route("GET", URL + "/<id>/tax_ids", params="CustomerTaxIdListParams")
def list_tax_ids(call: Call) -> Obj:
    return routes.listing(call, [], f"{URL}/{existing(call.store, call.path['id'], param='id')['id']}/tax_ids")


@rendering.includes("customer", "subscriptions")
def subscriptions_of(store: Store, customer: Obj) -> Obj:
    found = store.find("subscription", lambda each: each["status"] != "canceled", customer=customer["id"])
    return rendering.short_list(found, f"{URL}/{customer['id']}/subscriptions")


@rendering.includes("customer", "sources")
def sources_of(store: Store, customer: Obj) -> Obj:
    return rendering.short_list([], f"{URL}/{customer['id']}/sources")


@rendering.includes("customer", "tax_ids")
def tax_ids_of(store: Store, customer: Obj) -> Obj:
    return rendering.short_list([], f"{URL}/{customer['id']}/tax_ids")


def _invoice_settings(old: Obj | None, given: Any) -> Obj:
    known = old or {"custom_fields": None, "default_payment_method": None, "footer": None, "rendering_options": None}
    return fields.changed(known, given or {}, *known)


def _check_default(store: Store, customer: Obj) -> None:
    method = customer["invoice_settings"]["default_payment_method"]
    if not method:
        return
    found = store.get("payment_method", method, param="invoice_settings[default_payment_method]")
    if found["customer"] != customer["id"]:
        message = (
            f"The customer does not have a payment method with the ID {method}. "
            "The payment method must be attached to the customer."
        )
        raise errors.invalid(message, param="invoice_settings[default_payment_method]", code="resource_missing")
