"""Products: what is sold."""

from typing import Any

from sandbox import errors, events, fields, prices, routes
from sandbox.metadata import merged
from sandbox.routes import Call
from sandbox.store import Obj, Store

URL = "/v1/products"
PLAIN = ("description", "package_dimensions", "shippable", "statement_descriptor", "tax_code", "unit_label", "url")


def make(store: Store, **params: Any) -> Obj:
    """Make a product from the parameters of Stripe's create call."""
    id = params.get("id") or store.new_id("prod")
    if store.lookup(id):
        raise errors.invalid("Product already exists.", param="id", code="resource_already_exists")
    now = store.now()
    product: Obj = {
        "id": id,
        "object": "product",
        "active": params.get("active", True),
        "created": now,
        "default_price": None,
        "images": params.get("images") or [],
        "livemode": False,
        "marketing_features": params.get("marketing_features") or [],
        "metadata": merged({}, params.get("metadata")),
        "name": params["name"],
        "type": params.get("type") or "service",
        "updated": now,
    }
    product = store.put(product | fields.chosen(params, **dict.fromkeys(PLAIN)))
    events.emit(store, "product.created", product)
    if params.get("default_price_data"):
        price = prices.make(store, product=id, **params["default_price_data"])
        product = store.put(product | {"default_price": price["id"]})
    return product


@routes.route("POST", URL, params="ProductCreateParams")
def create(call: Call) -> Obj:
    return make(call.store, **call.params)


@routes.route("GET", URL, params="ProductListParams")
def list_all(call: Call) -> Obj:
    equal = {key: call.params[key] for key in ("active", "shippable", "type", "url") if key in call.params}
    ids = call.params.get("ids")
    found = call.store.find("product", lambda each: not ids or each["id"] in ids, **equal)
    return routes.listing(call, [each for each in found if not each.get("deleted")], URL)


@routes.route("GET", URL + "/<id>", params="ProductRetrieveParams")
def retrieve(call: Call) -> Obj:
    return call.store.get("product", call.path["id"])


@routes.route("POST", URL + "/<id>", params="ProductUpdateParams")
def update(call: Call) -> Obj:
    product = call.store.get("product", call.path["id"])
    new = fields.changed(product, call.params, *PLAIN, "active", "name", "default_price")
    for key in ("images", "marketing_features"):
        if key in call.params:
            new[key] = call.params[key] or []
    new["metadata"] = merged(product["metadata"], call.params.get("metadata"))
    if new["default_price"]:
        _check_default(call.store, new)
    changes = events.changes(product, new)
    if not changes:
        return product
    new["updated"] = call.store.now()
    events.emit(call.store, "product.updated", call.store.put(new), changes | {"updated": product["updated"]})
    return new


@routes.route("DELETE", URL + "/<id>", params="ProductDeleteParams")
def delete(call: Call) -> Obj:
    product = call.store.get("product", call.path["id"])
    if call.store.find("price", product=product["id"]):
        message = "This product cannot be deleted because it has one or more user-created prices."
        raise errors.invalid(message, param="id")
    events.emit(call.store, "product.deleted", product)
    call.store.drop("product", product["id"])
    return {"id": product["id"], "object": "product", "deleted": True}


@routes.route("GET", URL + "/<id>/features", params="ProductFeatureListParams")
def list_features(call: Call) -> Obj:
    product = call.store.get("product", call.path["id"])
    return routes.listing(call, [], f"{URL}/{product['id']}/features")


def _check_default(store: Store, product: Obj) -> None:
    price = store.get("price", product["default_price"], param="default_price")
    if price["product"] != product["id"]:
        message = f"The price specified ({price['id']}) does not belong to this product ({product['id']})."
        raise errors.invalid(message, param="default_price")
