"""Does an object look like Stripe's? Held against the typed resource classes that stripe-python ships."""

from decimal import Decimal, InvalidOperation
from functools import cache
from importlib import import_module
from typing import Any, ForwardRef, Literal, Union, get_args, get_origin

from stripe._object_classes import OBJECT_CLASSES
from stripe._stripe_object import StripeObject

# A deleted object says no more than this.
DELETED_KEYS = frozenset({"id", "object", "deleted"})
LIST_KEYS = frozenset({"object", "data", "has_more", "url"})
# Names under which a module knows another module's class.
ALIASES = {"CardResource": "Card", "RefundResource": "Refund", "ProductResource": "Product"}
PLAIN: dict[Any, Any] = {str: str, int: int, bool: bool, float: (int, float)}


def faults(obj: dict[str, Any]) -> list[str]:
    """Say where an object differs from Stripe's class: unknown keys, absent keys, wrong types, unknown words.

    An annotation tells "may be null" and "may be absent" in one word (Optional), so only keys that are neither count
    as absent here; `absent_keys` holds the rest against an example.
    """
    kind = str(obj.get("object"))
    if kind == "list":
        return _list_faults(obj, None, "list")
    if kind not in OBJECT_CLASSES:
        return [f"{kind}: no such object"]
    if obj.get("deleted"):
        return [f"{kind}.{key}: unknown key on a deleted object" for key in sorted(obj.keys() - DELETED_KEYS)]
    return _object_faults(obj, _class_of(kind), kind)


def absent_keys(obj: dict[str, Any], example: dict[str, Any]) -> list[str]:
    """Name the keys that Stripe's class and an example of the same kind both have, and the object has not."""
    known = _class_of(str(obj["object"])).__annotations__
    return sorted(key for key in example if key in known and key not in obj)


@cache
def _class_of(kind: str) -> Any:
    module, name = OBJECT_CLASSES[kind]
    return getattr(import_module(module), name)


def _object_faults(obj: dict[str, Any], cls: Any, path: str) -> list[str]:
    hints = cls.__dict__.get("__annotations__", {})
    hints = {
        _wire_name(name): hint for name, hint in hints.items() if name not in ("_inner_class_types", "OBJECT_NAME")
    }
    found = [f"{path}.{key}: unknown key" for key in obj if key not in hints]
    found += [f"{path}.{key}: absent" for key, hint in hints.items() if key not in obj and not _optional(hint)]
    for key, hint in hints.items():
        if key in obj:
            found += _value_faults(obj[key], hint, f"{path}.{key}")
    return found


def _wire_name(name: str) -> str:
    # Python's own words end in an underscore in the class (from_), not on the wire.
    return name.rstrip("_")


def _optional(hint: Any) -> bool:
    return get_origin(hint) is Union and type(None) in get_args(hint)


def _value_faults(value: Any, hint: Any, path: str) -> list[str]:
    origin = get_origin(hint)
    if origin is Union:
        return _union_faults(value, get_args(hint), path)
    if origin is Literal:
        return [] if value in get_args(hint) else [f"{path}: {value!r} is none of {get_args(hint)}"]
    if origin is list:
        return _sequence_faults(value, get_args(hint)[0], path)
    if isinstance(hint, (ForwardRef, str)):
        return _resource_faults(value, _name(hint), path)
    return _typed_faults(value, hint, origin, path)


def _typed_faults(value: Any, hint: Any, origin: Any, path: str) -> list[str]:
    cls = origin or hint
    if hint is Any or hint is object:
        return []
    if cls is Decimal:
        return [] if _is_decimal(value) else [f"{path}: {value!r} is no decimal string"]
    if cls in PLAIN:
        right = isinstance(value, PLAIN[cls]) and not (cls in (int, float) and isinstance(value, bool))
        return [] if right else [f"{path}: {value!r} is no {cls.__name__}"]
    if not isinstance(value, dict):
        return [f"{path}: {value!r} is no object"]
    if cls.__name__ == "ListObject":
        return _list_faults(value, get_args(hint)[0], path)
    if cls is dict or cls.__name__ == "UntypedStripeObject" or not issubclass(cls, StripeObject):
        return []
    return _object_faults(value, cls, path)


def _is_decimal(value: Any) -> bool:
    try:
        return isinstance(value, str) and Decimal(value).is_finite()
    except InvalidOperation:
        return False


def _union_faults(value: Any, members: tuple[Any, ...], path: str) -> list[str]:
    if value is None:
        return [] if type(None) in members else [f"{path}: null"]
    members = tuple(member for member in members if member is not type(None))
    words = [member for member in members if get_origin(member) is Literal]
    if words and isinstance(value, str):
        # The classes add `str` for words of later versions; a stand-in of one version uses that version's words.
        return [] if any(value in get_args(word) for word in words) else [f"{path}: {value!r} is an unknown word"]
    judged = [_value_faults(value, member, path) for member in members]
    return min(judged, key=len)


def _sequence_faults(value: Any, member: Any, path: str) -> list[str]:
    if not isinstance(value, list):
        return [f"{path}: {value!r} is no list"]
    return [fault for place, each in enumerate(value) for fault in _value_faults(each, member, f"{path}[{place}]")]


def _list_faults(value: dict[str, Any], member: Any, path: str) -> list[str]:
    found = [f"{path}.{key}: unknown key" for key in sorted(value.keys() - LIST_KEYS)]
    found += [f"{path}.{key}: absent" for key in sorted(LIST_KEYS - value.keys())]
    for place, each in enumerate(value.get("data", [])):
        at = f"{path}.data[{place}]"
        found += faults(each) if member is None else _value_faults(each, member, at)
    return found


def _name(hint: ForwardRef | str) -> str:
    name = hint if isinstance(hint, str) else hint.__forward_arg__
    return ALIASES.get(name, name)


def _resource_faults(value: Any, name: str, path: str) -> list[str]:
    """Hold a nested resource against its own class, which must be the one that the annotation names."""
    kind = str(value.get("object")) if isinstance(value, dict) else ""
    if kind not in OBJECT_CLASSES or OBJECT_CLASSES[kind][1] != name:
        return [f"{path}: {value!r} is no {name}"]
    return [f"{path}: {fault}" for fault in faults(value)]
