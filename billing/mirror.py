"""dj-stripe: the local copy of Stripe's objects, for staff and reports. Nothing is decided from it.

Rows are written from what `sync` fetched. dj-stripe's own way fetches again for every relation, inside the transaction.
"""

from __future__ import annotations

from collections.abc import Iterator
from typing import Any

from djstripe import models as djstripe
from djstripe.models.base import StripeModel

from billing import redaction

# Parents first: a reference is only kept to a row that is there.
MIRRORED: dict[str, type[StripeModel]] = {
    "customer": djstripe.Customer,
    "product": djstripe.Product,
    "price": djstripe.Price,
    "payment_method": djstripe.PaymentMethod,
    "payment_intent": djstripe.PaymentIntent,
    "charge": djstripe.Charge,
    "refund": djstripe.Refund,
    "subscription": djstripe.Subscription,
    "subscription_item": djstripe.SubscriptionItem,
    "invoice": djstripe.Invoice,
    "checkout.session": djstripe.Session,
}
# Ours or dj-stripe's, not Stripe's.
NOT_COPIED = {"djstripe_id", "djstripe_created", "djstripe_updated", "djstripe_owner_account", "stripe_data", "id"}


def keep(objects: list[dict[str, Any]]) -> None:
    """Write each object, and those expanded in it, to its table of the mirror, without a person. May be repeated."""
    found = [inner for outer in objects for inner in _with_nested(redaction.redacted(outer))]
    order = list(MIRRORED)
    for stripe_object in sorted(found, key=lambda one: order.index(one["object"])):
        _write(MIRRORED[stripe_object["object"]], stripe_object)


def _with_nested(value: Any) -> Iterator[dict[str, Any]]:
    if isinstance(value, dict):
        if value.get("object") in MIRRORED and value.get("id"):
            yield value
        for inner in value.values():
            yield from _with_nested(inner)
    elif isinstance(value, list):
        for inner in value:
            yield from _with_nested(inner)


def _write(model: type[StripeModel], stripe_object: dict[str, Any]) -> None:
    columns: dict[str, Any] = {"stripe_data": stripe_object}
    for field in model._meta.concrete_fields:
        if field.name in NOT_COPIED:
            continue
        value = _reference(field, stripe_object) if field.is_relation else _value(field, stripe_object)
        if value is None and not field.null:
            if field.is_relation:
                return  # Its parent was not fetched with it; the next look may bring both.
            continue
        columns[field.attname] = value
    model.objects.update_or_create(id=stripe_object["id"], defaults=columns)


def _value(field: Any, stripe_object: dict[str, Any]) -> Any:
    if hasattr(field, "stripe_to_db"):
        return field.stripe_to_db(stripe_object)
    return stripe_object.get(field.name)


def _reference(field: Any, stripe_object: dict[str, Any]) -> Any:
    named = stripe_object.get(field.name)
    stripe_id = named.get("id") if isinstance(named, dict) else named
    if not isinstance(stripe_id, str):
        return None
    target = field.target_field
    rows = field.related_model._default_manager.filter(id=stripe_id)
    return rows.values_list(target.attname, flat=True).first()


def held(stripe_ids: set[str]) -> dict[str, list[dict[str, Any]]]:
    """Return the copies of these objects by table, as Stripe wrote them but for what the mirror leaves out."""
    return {
        model._meta.db_table: [row.stripe_data for row in model.objects.filter(id__in=stripe_ids).order_by("pk")]
        for model in MIRRORED.values()
    }
