"""Parameters of a request laid into an object."""

from typing import Any

from sandbox import errors
from sandbox.store import Obj

ADDRESS = ("city", "country", "line1", "line2", "postal_code", "state")


def chosen(params: dict[str, Any], **defaults: Any) -> Obj:
    """Take the named parameters, or their defaults; an empty string unsets, as null."""
    return {
        key: (params[key] if params[key] != "" else None) if key in params else was for key, was in defaults.items()
    }


def changed(obj: Obj, params: dict[str, Any], *keys: str) -> Obj:
    """Lay the named parameters over an object."""
    return obj | chosen(params, **{key: obj.get(key) for key in keys})


def refuse(params: dict[str, Any], *names: str) -> None:
    """Raise a 400 for parameters that Stripe knows and this sandbox does not, rather than pass over them silently."""
    for name in names:
        given = params.get(name)
        if given and not (isinstance(given, dict) and given.get("enabled") is False):
            raise errors.invalid(f"The sandbox does not know `{name}`; Stripe itself does.", param=name)


def address(given: Any) -> dict[str, Any] | None:
    """Give an address with every key that Stripe shows."""
    return {key: given.get(key) or None for key in ADDRESS} if given else None


def shipping(given: Any) -> dict[str, Any] | None:
    """Give a shipping address with its name and phone."""
    if not given:
        return None
    return {"address": address(given.get("address")), "name": given.get("name"), "phone": given.get("phone")}


def billing_details(given: dict[str, Any] | None) -> dict[str, Any]:
    """Give billing details with every key that Stripe shows."""
    details = given or {}
    found = {key: details.get(key) or None for key in ("email", "name", "phone", "tax_id")}
    return {"address": address(details.get("address")) or dict.fromkeys(ADDRESS)} | found
