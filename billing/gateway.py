"""Every call to Stripe: our idempotency key, our timeout, three classes of result.

A call returns what Stripe holds (a plain dict), or raises StripeRefused (a definite no; CardDeclined when it is the
card's), or StripeUnknown (nobody knows whether the work was done). None of them may be made with a transaction open.
"""

from __future__ import annotations

import functools
import hmac
import re
import time
from collections.abc import Callable, Iterator
from functools import cache
from typing import Any, TypeVar
from urllib.parse import quote
from uuid import UUID

import stripe
from django.conf import settings
from django.db import connection

from billing.errors import BadSignature, CardDeclined, StripeRefused, StripeUnknown
from config.api import pace
from vault import stops

Object = dict[str, Any]
Answer = TypeVar("Answer")
SIGNATURE_TOLERANCE_SECONDS = 300
PLAIN_SIGNATURE = re.compile(r"t=([1-9][0-9]{0,11}),v1=([0-9a-f]{64})(?:,v0=[0-9a-f]{64})?")
BAD_REQUEST = 400
# https://docs.stripe.com/error-low-level: anything but a refused card, a refused request and these says nothing about
# what was done.
KEY_REFUSED = (stripe.AuthenticationError, stripe.PermissionError)

INVOICE = ["payments", "customer"]
# The kinds that can be fetched, parents first: a look at one takes those that hang on it along.
EXPAND = {
    "cs_": ["customer"],
    "cus_": [],
    "pm_": ["customer"],
    "seti_": ["payment_method"],
    # Its last invoice in the same answer: the bucket of requests is small.
    "sub_": [
        "items.data.price.product",
        "customer",
        "default_payment_method",
        *(f"latest_invoice.{each}" for each in INVOICE),
    ],
    "in_": INVOICE,
    "pi_": ["latest_charge.refunds", "payment_method", "customer"],
}
PATHS = {
    "pi_": "payment_intents",
    "sub_": "subscriptions",
    "in_": "invoices",
    "cs_": "checkout/sessions",
    "cus_": "customers",
    "pm_": "payment_methods",
    "seti_": "setup_intents",
    "re_": "refunds",
    "du_": "disputes",
    "dp_": "disputes",
}


@cache
def client() -> stripe.StripeClient:
    """Return the one client of this process: version, base address and timeout set on purpose."""
    return stripe.StripeClient(
        settings.STRIPE_API_KEY,
        stripe_version=settings.STRIPE_API_VERSION,
        base_addresses={"api": settings.STRIPE_API_BASE},
        http_client=stripe.RequestsClient(timeout=settings.STRIPE_TIMEOUT_SECONDS),
        max_network_retries=1,
    )


def key(kind: str, id: UUID | str, action: str, attempt: int = 1) -> str:
    """Make Stripe's idempotency key of one step: the same for every try of the same attempt."""
    return f"{settings.ENVIRONMENT}:{kind}:{id}:{action}:{attempt}"


def price_by_lookup_key(lookup_key: str) -> Object | None:
    """Find a price that was made before."""
    _wait_for("price_")
    found = ask(lambda: client().v1.prices.list({"lookup_keys": [lookup_key], "limit": 1}))
    return next(iter(found["data"]), None)


def create_price(params: Any, *, lookup_key: str, attempt: int) -> Object:
    """Make a price, and its product with it."""
    sent: Any = {**params, "lookup_key": lookup_key}
    return post(lambda options: client().v1.prices.create(sent, options), key("price", lookup_key, "create", attempt))


def open_checkout(params: Any, *, id: UUID, attempt: int) -> Object:
    """Open a session on Stripe's hosted page."""
    return post(
        lambda options: client().v1.checkout.sessions.create(params, options), key("checkout", id, "open", attempt)
    )


def expire_checkout(stripe_id: str) -> Object:
    """Close a session that nobody shall pay any more. Raises StripeRefused when it is not open."""
    return ask(lambda: client().v1.checkout.sessions.expire(stripe_id))


def checkouts_of(stripe_customer: str) -> Iterator[Object]:
    """List the sessions of a customer, newest first."""
    return pages("cs_", lambda page: client().v1.checkout.sessions.list(page | {"customer": stripe_customer}))


def create_refund(*, intent: str, amount_minor: int, reason: str, id: UUID, attempt: int) -> Object:
    """Give money back."""
    params: Any = {"payment_intent": intent, "amount": amount_minor, "metadata": {"refund_id": str(id)}}
    if reason:
        params["reason"] = reason
    return post(lambda options: client().v1.refunds.create(params, options), key("refund", id, "create", attempt))


def cancel_subscription(stripe_id: str, *, now: bool) -> Object:
    """End a subscription now, or with the period that runs. Repeating it changes nothing."""
    if now:
        return ask(lambda: client().v1.subscriptions.cancel(stripe_id))
    return ask(lambda: client().v1.subscriptions.update(stripe_id, {"cancel_at_period_end": True}))


def fetch(stripe_id: str) -> Object | None:
    """Fetch one object as it is now, with what our books read of it. None when Stripe knows no such object."""
    prefix = stripe_id.split("_")[0] + "_"
    path = f"/v1/{PATHS[prefix]}/{quote(stripe_id, safe='')}"
    _wait_for(prefix)
    try:
        # As Stripe wrote it: to make the library's objects of it, and dicts of them, takes longer than all else here.
        return ask(lambda: client().raw_request("get", path, expand=EXPAND.get(prefix, [])))
    except StripeRefused as refusal:
        if refusal.stripe_code == "resource_missing":
            return None
        raise


def fetches(stripe_id: str) -> bool:
    """Say whether objects of this id's kind can be fetched."""
    return stripe_id.split("_")[0] + "_" in EXPAND


def rank(stripe_id: str) -> int:
    """Order the kinds of objects: parents before what hangs on them."""
    kind = stripe_id.split("_")[0] + "_"
    return list(EXPAND).index(kind) if kind in EXPAND else len(EXPAND)


def id_of(reference: str | Object | None) -> str | None:
    """Return the id of what an object refers to, whether Stripe gave the id or expanded it."""
    return reference["id"] if isinstance(reference, dict) else reference


def our_id(found: Object, name: str) -> UUID | None:
    """Return the id of ours that an object's metadata names. Other software of the account may use the same name."""
    try:
        return UUID((found.get("metadata") or {})[name])
    except (KeyError, ValueError):
        return None


def invoice_of(intent: str) -> str | None:
    """Find the invoice that a payment intent pays (an intent does not name it since 2025-03-31.basil)."""
    params: Any = {"payment": {"type": "payment_intent", "payment_intent": intent}, "limit": 1}
    _wait_for("inpay_")
    found = ask(lambda: client().v1.invoice_payments.list(params))
    return next((payment["invoice"] for payment in found["data"]), None)


def events(*, since: int) -> Iterator[Object]:
    """List what happened since a unix time, newest first. Stripe keeps 30 days."""
    return pages("evt_", lambda page: client().raw_request("get", "/v1/events", created={"gte": since}, **page))


def verify(body: bytes, signature: str) -> None:
    """Hold a webhook against its signature (https://docs.stripe.com/webhooks#verify-manually).

    Raises BadSignature: forged, older than 300 s, or without one.
    """
    flaws = []
    if _holds(body, signature):
        return
    for secret in filter(None, (settings.STRIPE_WEBHOOK_SECRET, settings.STRIPE_WEBHOOK_SECRET_PREVIOUS)):
        if not (flaw := _flaw(body, signature, secret)):
            return
        flaws.append(flaw)
    raise BadSignature(next(iter(flaws), "There is no secret to hold it against."))


def post(call: Callable[[Any], Any], idempotency_key: str) -> Object:
    """Make something at Stripe under a key of ours. Raises as `ask` does."""
    return ask(functools.wraps(call)(functools.partial(call, {"idempotency_key": idempotency_key})))


def pages(prefix: str, call: Callable[[Any], Any]) -> Iterator[Object]:
    """Walk a list of Stripe's to its end. Raises as `ask` does.

    `prefix`: of the ids in it. A page is one fetch of that kind.
    """
    cursor: Object = {}
    while True:
        _wait_for(prefix)
        found = ask(functools.wraps(call)(functools.partial(call, {"limit": 100, **cursor})))
        yield from found["data"]
        if not found["has_more"]:
            return
        cursor = {"starting_after": found["data"][-1]["id"]}


def ask(call: Callable[[], Any]) -> Object:
    """Call Stripe. Raises StripeRefused, StripeUnknown, and RuntimeError inside a transaction."""
    if connection.in_atomic_block:
        raise RuntimeError("Stripe must not be asked with a transaction open: it may take seconds to answer.")
    # Named for the function that asks: "stripe.create_refund".
    name = f"stripe.{call.__qualname__.partition('.')[0]}"
    try:
        with stops.around(name):
            found = call()
            raw = isinstance(found, stripe.StripeResponse)
            answer: Object = found.data if raw else found.to_dict(for_json=True)
    except KEY_REFUSED as refusal:
        # Its text names the key and what it may do: for the log of the operator, not for a buyer.
        raise StripeRefused("Stripe does not let this installation do that.", stripe_code="key_refused") from refusal
    except stripe.CardError as refusal:
        declined = refusal.error.decline_code if refusal.error else None
        raise CardDeclined(
            refusal.user_message or str(refusal), stripe_code=refusal.code or "", decline_code=declined or ""
        ) from refusal
    except stripe.InvalidRequestError as refusal:
        raise StripeRefused(refusal.user_message or str(refusal), stripe_code=refusal.code or "") from refusal
    except stripe.StripeError as reason:
        raise StripeUnknown(type(reason).__name__, kept=_is_kept(reason)) from reason
    return answer


def _wait_for(prefix: str) -> None:
    pace.wait(f"stripe {prefix}", per_second=settings.STRIPE_FETCHES_PER_SECOND)


def _is_kept(reason: stripe.StripeError) -> bool:
    """Say whether the key stands for an earlier request that is over: with this answer, or with other parameters."""
    replayed = (reason.headers or {}).get("idempotent-replayed") == "true"
    return replayed or (isinstance(reason, stripe.IdempotencyError) and reason.http_status == BAD_REQUEST)


def _holds(body: bytes, signature: str) -> bool:
    """Say whether a header as Stripe writes it holds by the newest secret: most do, and this is a third of the work.

    What it does not know it leaves to Stripe's library, which decides, and says why.
    """
    plain = PLAIN_SIGNATURE.fullmatch(signature)
    if not plain or not settings.STRIPE_WEBHOOK_SECRET or int(plain[1]) < time.time() - SIGNATURE_TOLERANCE_SECONDS:
        return False
    # Not `hmac.digest`, which lets other threads go first.
    expected = hmac.new(settings.STRIPE_WEBHOOK_SECRET.encode(), plain[1].encode() + b"." + body, "sha256")
    return hmac.compare_digest(expected.hexdigest(), plain[2]) and _is_text(body)


def _is_text(body: bytes) -> bool:
    try:
        body.decode()
    except UnicodeDecodeError:
        return False
    return True


def _flaw(body: bytes, signature: str, secret: str) -> str:
    try:
        stripe.WebhookSignature.verify_header(body.decode(), signature, secret, SIGNATURE_TOLERANCE_SECONDS)
    # TypeError: a digest that is not ASCII cannot be compared.
    except (stripe.SignatureVerificationError, ValueError, TypeError) as reason:
        return str(reason)
    return ""
