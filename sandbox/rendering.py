"""What an answer shows of a stored object."""

from collections.abc import Callable
from typing import Any

from sandbox.store import Obj, Store

LISTS = ("list", "search_result")
Renderer = Callable[[Store, Obj], Obj]

_ALWAYS: dict[str, list[Renderer]] = {}
_ON_REQUEST: dict[tuple[str, str], Callable[[Store, Obj], Any]] = {}


def renders(kind: str) -> Callable[[Renderer], Renderer]:
    """Register what every answer adds to a kind of object, such as a subscription's items."""

    def register(renderer: Renderer) -> Renderer:
        _ALWAYS.setdefault(kind, []).append(renderer)
        return renderer

    return register


def includes(kind: str, name: str) -> Callable[[Callable[[Store, Obj], Any]], Callable[[Store, Obj], Any]]:
    """Register a key that an answer holds only when `expand[]` asks for it, such as a charge's refunds."""

    def register(maker: Callable[[Store, Obj], Any]) -> Callable[[Store, Obj], Any]:
        _ON_REQUEST[(kind, name)] = maker
        return maker

    return register


def rendered(store: Store, obj: Obj) -> Obj:
    """Give a copy of an object, or of a list of them, as an answer shows it; private keys (`_...`) are left out."""
    if obj.get("object") in LISTS:
        return obj | {"data": [rendered(store, each) for each in obj["data"]]}
    shown = {key: _copy(value) for key, value in obj.items() if not key.startswith("_")}
    if obj.get("deleted"):
        return shown
    for renderer in _ALWAYS.get(str(obj.get("object")), []):
        shown = renderer(store, shown)
    return shown


def short_list(objects: list[Obj], url: str) -> Obj:
    """Make the list that stands inside another object: the first ten."""
    return {"object": "list", "data": objects[:10], "has_more": len(objects) > 10, "url": url}


def on_request(kind: str, name: str) -> Callable[[Store, Obj], Any] | None:
    """Give the maker of a key that only `expand[]` brings."""
    return _ON_REQUEST.get((kind, name))


def _copy(value: Any) -> Any:
    # Of JSON, which needs no more: `copy.deepcopy` takes five times as long.
    if isinstance(value, dict):
        return {key: _copy(inner) for key, inner in value.items()}
    return [_copy(inner) for inner in value] if isinstance(value, list | tuple) else value
