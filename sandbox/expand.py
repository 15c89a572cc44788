"""`expand[]`: ids replaced by the objects they name, and keys that only a request brings."""

from typing import Any

from sandbox import errors, rendering
from sandbox.store import Obj, Store

DEEPEST = 4


def expanded(store: Store, answer: Obj, paths: list[str]) -> Obj:
    """Expand each dotted path of a rendered answer in place; raise Stripe's 400 for a path that names nothing."""
    for path in paths:
        keys = path.split(".")
        if len(keys) > DEEPEST + (keys[0] == "data"):
            message = f"You cannot expand more than {DEEPEST} levels of a property. Property: {path}"
            raise errors.invalid(message, param="expand")
        _walk(store, answer, keys, path)
    return answer


def _walk(store: Store, node: Any, keys: list[str], path: str) -> None:
    if isinstance(node, list):
        for each in node:
            _walk(store, each, keys, path)
        return
    if not keys or not isinstance(node, dict):
        return
    key, rest = keys[0], keys[1:]
    maker = rendering.on_request(str(node.get("object")), key)
    if maker is not None and not isinstance(node.get(key), dict | list):
        node[key] = _made(store, maker(store, node))
    elif key not in node:
        raise errors.invalid(f"This property cannot be expanded ({path}).", param="expand")
    else:
        node[key] = _resolved(store, node[key])
    _walk(store, node[key], rest, path)


def _resolved(store: Store, value: Any) -> Any:
    if isinstance(value, list):
        return [_resolved(store, each) for each in value]
    found = store.lookup(value) if isinstance(value, str) else None
    return rendering.rendered(store, found) if found else value


def _made(store: Store, value: Any) -> Any:
    if isinstance(value, dict) and "object" in value:
        return rendering.rendered(store, value)
    return value
