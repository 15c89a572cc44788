"""Addresses of the API, and what a call brings along."""

import operator
from collections import deque
from collections.abc import Callable, Iterable, Iterator
from dataclasses import dataclass, field
from itertools import islice
from typing import Any

from werkzeug import Request, Response

from sandbox import errors
from sandbox.engine import Engine
from sandbox.store import Obj, Store


@dataclass(frozen=True, slots=True)
class Call:
    """One request to the API; `params` are decoded, validated and typed."""

    store: Store
    params: dict[str, Any] = field(default_factory=dict)
    path: dict[str, str] = field(default_factory=dict)
    request_id: str | None = None
    idempotency_key: str | None = None


@dataclass(frozen=True, slots=True)
class Door:
    """One request to a page or to the control endpoints."""

    store: Store
    engine: Engine
    request: Request
    path: dict[str, str]


@dataclass(frozen=True, slots=True)
class Route:
    """An address of the API and the class in stripe.params that its parameters must fit."""

    method: str
    path: str
    params: str | None
    handler: Callable[[Call], Obj]


COMPARED = {"gt": operator.gt, "gte": operator.ge, "lt": operator.lt, "lte": operator.le}
ROUTES: list[Route] = []
DOORS: list[tuple[str, str, Callable[[Door], Response]]] = []


def route(
    method: str, path: str, *, params: str | None = None
) -> Callable[[Callable[[Call], Obj]], Callable[[Call], Obj]]:
    """Register an address of the API; `params` names a class of stripe.params, None takes `expand` alone."""

    def register(handler: Callable[[Call], Obj]) -> Callable[[Call], Obj]:
        ROUTES.append(Route(method, path, params, handler))
        return handler

    return register


def door(method: str, path: str) -> Callable[[Callable[[Door], Response]], Callable[[Door], Response]]:
    """Register a page or a control endpoint, which answer for themselves and know no API key."""

    def register(handler: Callable[[Door], Response]) -> Callable[[Door], Response]:
        DOORS.append((method, path, handler))
        return handler

    return register


def listing(call: Call, objects: Iterable[Obj], url: str) -> Obj:
    """Make one page of a list, newest first as given: `created` filters, cursors, limit (10, at most 100)."""
    limit, created = _limit(call.params), call.params.get("created")
    found = (obj for obj in objects if _created_fits(obj, created))
    if call.params.get("ending_before"):
        before = list(_until(found, call.params["ending_before"]))
        return {"object": "list", "data": before[-limit:], "has_more": len(before) > limit, "url": url}
    if call.params.get("starting_after"):
        deque(_until(found, call.params["starting_after"], param="starting_after"), maxlen=0)
    page = list(islice(found, limit + 1))
    return {"object": "list", "data": page[:limit], "has_more": len(page) > limit, "url": url}


def _limit(params: dict[str, Any]) -> int:
    limit = int(params.get("limit") or 10)
    if not 1 <= limit <= 100:
        bound = "less than or equal to 100" if limit > 100 else "greater than or equal to 1"
        raise errors.invalid(f"This value must be {bound}.", param="limit", code="parameter_invalid_integer")
    return limit


def _until(found: Iterator[Obj], id: str, param: str = "ending_before") -> Iterator[Obj]:
    for obj in found:
        if obj["id"] == id:
            return
        yield obj
    raise errors.invalid(f"No such object: '{id}'", param=param, code="resource_missing")


def _created_fits(obj: Obj, wanted: Any) -> bool:
    if wanted is None:
        return True
    moment = int(obj.get("created") or 0)
    if not isinstance(wanted, dict):
        return moment == int(wanted)
    return all(COMPARED[name](moment, int(bound)) for name, bound in wanted.items())
