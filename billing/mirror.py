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
Object = dict[str, Any]
# By the field that is referred to: Stripe's id -> the value by which a row refers to it.
Known = dict[Any, dict[str, Any]]
# Ours or dj-stripe's, not Stripe's.
NOT_COPIED = {"djstripe_id", "djstripe_created", "djstripe_updated", "djstripe_owner_account", "stripe_data", "id"}


def keep(objects: list[Object]) -> None:
    """Write each object, and those expanded in it, to its table of the mirror, without a person. May be repeated."""
    found = [inner for outer in objects for inner in _with_nested(redaction.redacted(outer))]
    known: Known = {}
    for kind, model in MIRRORED.items():
        # One object may stand in several others. In order of the ids: two looks must not wait for each other.
        once = {one["id"]: one for one in found if one["object"] == kind}
        _write(model, [once[id] for id in sorted(once)], known)


def _with_nested(value: Any) -> Iterator[Object]:
    if isinstance(value, dict):
        if value.get("object") in MIRRORED and value.get("id"):
            yield value
        for inner in value.values():
            yield from _with_nested(inner)
    elif isinstance(value, list):
        for inner in value:
            yield from _with_nested(inner)


def _write(model: type[StripeModel], objects: list[Object], known: Known) -> None:
    fields = [field for field in model._meta.concrete_fields if field.name not in NOT_COPIED]
    _learn(known, [field for field in fields if field.is_relation], objects)
    rows: dict[tuple[str, ...], list[Any]] = {}
    for stripe_object in objects:
        if columns := _columns(fields, stripe_object, known):
            rows.setdefault(tuple(columns), []).append(model(id=stripe_object["id"], **columns))
    for names, alike in rows.items():
        updated = [*names, "djstripe_updated"]
        model.objects.bulk_create(alike, update_conflicts=True, unique_fields=["id"], update_fields=updated)
        for target in known:
            if target.model is model:
                known[target] |= {row.id: getattr(row, target.attname) for row in alike}


def _columns(fields: list[Any], stripe_object: Object, known: Known) -> Object | None:
    """Return the values of a row; None when its parent is not there: the next look may bring both."""
    columns: Object = {"stripe_data": stripe_object}
    for field in fields:
        if field.is_relation:
            value = known[field.target_field].get(_named(field, stripe_object))
        else:
            value = _value(field, stripe_object)
        if value is not None or field.null:
            columns[field.attname] = value
        elif field.is_relation:
            return None
    return columns


def _learn(known: Known, references: list[Any], objects: list[Object]) -> None:
    """Find those of the rows to which these objects refer that are there."""
    wanted: dict[Any, set[str]] = {}
    for field in references:
        wanted.setdefault(field.target_field, set()).update(_named(field, one) for one in objects)
    for target, ids in wanted.items():
        there = known.setdefault(target, {})
        if missing := ids - there.keys() - {""}:
            there.update(target.model._default_manager.filter(id__in=missing).values_list("id", target.attname))


def _value(field: Any, stripe_object: Object) -> Any:
    if hasattr(field, "stripe_to_db"):
        return field.stripe_to_db(stripe_object)
    return stripe_object.get(field.name)


def _named(field: Any, stripe_object: Object) -> str:
    named = stripe_object.get(field.name)
    stripe_id = named.get("id") if isinstance(named, dict) else named
    return stripe_id if isinstance(stripe_id, str) else ""


def held(stripe_ids: set[str]) -> dict[str, list[Object]]:
    """Return the copies of these objects by table, as Stripe wrote them but for what the mirror leaves out."""
    return {
        model._meta.db_table: [row.stripe_data for row in model.objects.filter(id__in=stripe_ids).order_by("pk")]
        for model in MIRRORED.values()
    }
