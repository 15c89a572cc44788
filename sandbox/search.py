"""Stripe's search: `email:'a@example.com' AND metadata['order']:'7'`, newest first, and up to date at once."""

import re
from collections.abc import Callable
from typing import Any

from sandbox import errors, routes
from sandbox.routes import Call
from sandbox.store import Obj

# What may be searched, and the class in stripe.params that its parameters must fit.
SEARCHED = {
    "charge": ("/v1/charges/search", "ChargeSearchParams"),
    "customer": ("/v1/customers/search", "CustomerSearchParams"),
    "invoice": ("/v1/invoices/search", "InvoiceSearchParams"),
    "payment_intent": ("/v1/payment_intents/search", "PaymentIntentSearchParams"),
    "price": ("/v1/prices/search", "PriceSearchParams"),
    "product": ("/v1/products/search", "ProductSearchParams"),
    "subscription": ("/v1/subscriptions/search", "SubscriptionSearchParams"),
}
WORD = r"'(?:[^'\\]|\\.)*'|\"(?:[^\"\\]|\\.)*\""
CLAUSE = re.compile(
    rf"\s*(?P<not>-?)(?P<field>[a-z_0-9.]+)(?:\[(?P<key>{WORD})\])?\s*(?P<sign>:|~|>=|<=|>|<)\s*"
    rf"(?P<value>{WORD}|null|[-\w.]+)\s*",
    re.IGNORECASE,
)
COMPARED: dict[str, Callable[[float, float], bool]] = {
    ">": lambda own, wanted: own > wanted,
    "<": lambda own, wanted: own < wanted,
    ">=": lambda own, wanted: own >= wanted,
    "<=": lambda own, wanted: own <= wanted,
}
Test = Callable[[Obj], bool]


def parsed(query: str) -> Test:
    """Make the test of a query; raise Stripe's 400 for one that cannot be read, or that mixes AND with OR."""
    tests, joins, place = [], [], 0
    while True:
        clause = CLAUSE.match(query, place)
        if clause is None:
            raise errors.invalid(f"We were unable to parse your search query: {query}", param="query")
        tests.append(_test(clause))
        place = clause.end()
        join = re.compile(r"(AND|OR)\b", re.IGNORECASE).match(query, place)
        if join is None:
            break
        joins.append(join[1].upper())
        place = join.end()
    if place < len(query.rstrip()) or len(set(joins)) > 1:
        raise errors.invalid(f"We were unable to parse your search query: {query}", param="query")
    meet = any if "OR" in joins else all
    return lambda obj: meet(test(obj) for test in tests)


def _test(clause: re.Match[str]) -> Test:
    field, sign, value = clause["field"], clause["sign"], _word(clause["value"])
    key = _word(clause["key"]) if clause["key"] else None

    def fits(obj: Obj) -> bool:
        own: Any = obj
        for part in field.split("."):
            own = own.get(part) if isinstance(own, dict) else None
        if key is not None:
            own = (own or {}).get(key)
        return _compared(own, sign, value)

    return (lambda obj: not fits(obj)) if clause["not"] else fits


def _compared(own: Any, sign: str, value: str | None) -> bool:
    if value is None or own is None:
        return sign == ":" and own is None and value is None
    if sign in COMPARED:
        return COMPARED[sign](float(own), float(value))
    if isinstance(own, bool):
        return str(own).lower() == value.lower()
    return value.lower() in str(own).lower() if sign == "~" else str(own).lower() == value.lower()


def _word(text: str) -> str | None:
    if text.lower() == "null":
        return None
    return re.sub(r"\\(.)", r"\1", text[1:-1]) if text[0] in "'\"" else text


def _found(kind: str, url: str) -> Callable[[Call], Obj]:
    def search(call: Call) -> Obj:
        fits = parsed(call.params["query"])
        found = call.store.find(kind, lambda obj: not obj.get("deleted") and fits(obj))
        start, limit = int(call.params.get("page") or 0), int(call.params.get("limit") or 10)
        more = len(found) > start + limit
        result = {"object": "search_result", "data": found[start : start + limit], "has_more": more, "url": url}
        return result | {"next_page": str(start + limit) if more else None}

    return search


for _kind, (_url, _params) in SEARCHED.items():
    routes.route("GET", _url, params=_params)(_found(_kind, _url))
