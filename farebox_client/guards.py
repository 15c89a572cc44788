"""A function that only those who may use a feature get into."""

from __future__ import annotations

import functools
import inspect
from collections.abc import Callable
from typing import ParamSpec, TypeVar

from farebox_client.client import Farebox
from farebox_client.errors import FareboxError, NotEntitled

Words = ParamSpec("Words")
Result = TypeVar("Result")
_default: Farebox | None = None


def set_default(client: Farebox) -> None:
    """Make this the client of guards that name none."""
    global _default
    _default = client


def default() -> Farebox:
    """Return the client of guards that name none. Raises FareboxError before `set_default`."""
    if _default is None:
        raise FareboxError("No client is set: call farebox_client.set_default(Farebox(...)) once, at the start.")
    return _default


def requires_feature(
    feature_code: str, *, user_id: str | Callable[Words, str] = "user_id", client: Farebox | None = None
) -> Callable[[Callable[Words, Result]], Callable[Words, Result]]:
    """Guard a function: it is called for who may use the feature, and raises NotEntitled for who may not.

    The user is the argument that `user_id` names, or what it returns when called with all arguments.
    """

    def guard(function: Callable[Words, Result]) -> Callable[Words, Result]:
        whose = _argument(function, user_id) if isinstance(user_id, str) else user_id

        @functools.wraps(function)
        def guarded(*args: Words.args, **kwargs: Words.kwargs) -> Result:
            decision = (client or default()).check(whose(*args, **kwargs), feature_code)
            if not decision.allowed:
                raise NotEntitled(decision)
            return function(*args, **kwargs)

        return guarded

    return guard


def _argument(function: Callable[Words, Result], name: str) -> Callable[Words, str]:
    signature = inspect.signature(function)
    if name not in signature.parameters:
        raise TypeError(f"{function.__qualname__} has no argument {name}: say whose feature it is by user_id=.")

    def whose(*args: Words.args, **kwargs: Words.kwargs) -> str:
        bound = signature.bind(*args, **kwargs)
        bound.apply_defaults()
        return str(bound.arguments[name])

    return whose
