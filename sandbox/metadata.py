"""Stripe's rules of `metadata`."""

from collections.abc import Mapping
from typing import Any

from sandbox import errors

MOST_KEYS, LONGEST_KEY, LONGEST_VALUE = 50, 40, 500


def merged(old: Mapping[str, str], new: Any) -> dict[str, str]:
    """Lay new keys over old ones; an empty value deletes its key, an empty whole deletes all.

    Raise Stripe's 400 beyond 50 keys, 40 letters of a key and 500 of a value (docs.stripe.com/api/metadata).
    """
    if new is None:
        return dict(old)
    if new == "":
        return {}
    for key, value in new.items():
        _check(str(key), str(value))
    whole = {**old, **{str(key): str(value) for key, value in new.items()}}
    kept = {key: value for key, value in whole.items() if value != ""}
    if len(kept) > MOST_KEYS:
        raise errors.invalid(f"You can have at most {MOST_KEYS} metadata keys.", param="metadata")
    return kept


def _check(key: str, value: str) -> None:
    if len(key) > LONGEST_KEY:
        message = f"Metadata keys can have up to {LONGEST_KEY} characters; '{key}' has {len(key)}."
        raise errors.invalid(message, param=f"metadata[{key}]")
    if len(value) > LONGEST_VALUE:
        message = f"Metadata values can have up to {LONGEST_VALUE} characters; {key}'s has {len(value)}."
        raise errors.invalid(message, param=f"metadata[{key}]")
