"""What plan versions give, as the packets of all their buyers name it: by a hash, kept once in this process."""

from __future__ import annotations

import json
from collections.abc import Mapping, Sequence
from hashlib import blake2b
from typing import Any, NamedTuple

# Where a word stands is part of the format: new ones come last.
TERMS = ("plan_id", "version", "limit", "period", "soft", "value", "anchor", "time_zone", "warn_at", "rollover_max") + (
    "member_cap",
    "priority",
)
REF_BYTES = 8
# So many shapes are kept; when there are more, packets carry their own.
MOST_SHAPES = 4096


class Shape(NamedTuple):
    """What a plan version gives: codes and terms, where each code stands, whether any counts by the calendar."""

    rows: Sequence[tuple[str, Mapping[str, Any]]]
    places: Mapping[str, Sequence[int]]
    by_calendar: bool


class ShapeMissing(Exception):
    """The packet names shapes that this process has not seen."""


class Shapes:
    """The shapes that this process knows, by hash."""

    def __init__(self) -> None:
        self._known: dict[bytes, Shape] = {}

    def learn(self, text: bytes) -> bytes | None:
        """Keep a shape and return its hash; None when there are too many."""
        ref = blake2b(text, digest_size=REF_BYTES).digest()
        if ref not in self._known:
            if len(self._known) >= MOST_SHAPES:
                return None
            self._known[ref] = shape_of(text)
        return ref

    def knows(self, ref: bytes) -> bool:
        """Say whether a packet that names it can be read."""
        return ref in self._known

    def get(self, ref: bytes) -> Shape:
        """Return a shape. Raises ShapeMissing."""
        if (found := self._known.get(ref)) is None:
            raise ShapeMissing(ref.hex())
        return found


def shape_of(text: bytes) -> Shape:
    """Read a shape."""
    rows: list[tuple[str, Mapping[str, Any]]] = []
    places: dict[str, list[int]] = {}
    for code, *terms in json.loads(text):
        named = dict(zip(TERMS, terms, strict=True))
        places.setdefault(code, []).append(len(rows))
        rows.append((code, {**named, "warn_at": tuple(named["warn_at"])}))
    return Shape(rows, places, any(terms["anchor"] == "calendar" for _code, terms in rows))


table = Shapes()
