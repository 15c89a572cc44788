"""Form bodies with brackets: `items[0][price]=..`, `expand[]=..`, `metadata[key]=..`."""

import re
from collections.abc import Iterable
from typing import Any

from sandbox import errors

# Keys of people, not of the API: a metadata key of digits is no place in a list.
FREE_KEYS = {"metadata"}
PART = re.compile(r"\[([^\[\]]*)\]")


def decoded(pairs: Iterable[tuple[str, str]]) -> dict[str, Any]:
    """Build the nested parameters; every leaf is still a string."""
    tree: dict[str, Any] = {}
    for name, value in pairs:
        head, *rest = _parts(name)
        _place(tree, head, rest, value)
    return {key: _lists_made(key, value) for key, value in tree.items()}


def flat(params: Any, prefix: str = "") -> dict[str, str]:
    """Give nested parameters back as one level, for the request log."""
    if isinstance(params, dict):
        pairs = [(f"{prefix}[{key}]" if prefix else str(key), value) for key, value in params.items()]
    elif isinstance(params, list):
        pairs = [(f"{prefix}[{place}]", value) for place, value in enumerate(params)]
    else:
        return {prefix: str(params)}
    return {name: leaf for key, value in pairs for name, leaf in flat(value, key).items()}


def _parts(name: str) -> list[str]:
    head, bracket, rest = name.partition("[")
    inner = PART.findall(bracket + rest)
    if bracket and "".join(f"[{part}]" for part in inner) != bracket + rest:
        raise errors.invalid(f"Invalid parameter name: {name}", param=name, code="parameter_unknown")
    return [head, *inner]


def _place(tree: dict[str, Any], key: str, rest: list[str], value: str) -> None:
    if key == "":
        key = str(len(tree))
    if not rest:
        tree[key] = value
        return
    branch = tree.setdefault(key, {})
    if not isinstance(branch, dict):
        # `a=&a[b]=c`: the empty string clears what was there, the rest is new.
        branch = tree[key] = {}
    _place(branch, rest[0], rest[1:], value)


def _lists_made(key: str, value: Any) -> Any:
    if not isinstance(value, dict) or key in FREE_KEYS:
        return value
    made = {name: _lists_made(name, inner) for name, inner in value.items()}
    if made and all(name.isdigit() for name in made):
        return [made[name] for name in sorted(made, key=int)]
    return made
