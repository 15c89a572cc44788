"""What the bulk lane takes for a question: what the view's own reader has read, by the bytes that it came in."""

from __future__ import annotations

from dataclasses import dataclass
from hashlib import blake2b

from rest_framework.exceptions import APIException

from config.api import parsing
from config.lane_recent import Recent
from entitlements.serializers import bulk
from entitlements.serializers.rendering import rendered

MOST_BYTES, MOST_FEATURES = 16 * 1024 * 1024, 256
# What holds the bytes, and a user's name beside its letters.
OWN_BYTES, TEXT_BYTES = 400, 60


@dataclass(frozen=True, slots=True)
class Listed:
    """May each user use each feature now? `name` stands for the features, `ending` is the end of the answer."""

    user_ids: tuple[str, ...]
    feature_codes: tuple[str, ...]
    name: bytes
    ending: bytes
    size: int


class Lists:
    """Questions that were read before, and the features that many of them ask for alike."""

    def __init__(self) -> None:
        self._read: Recent[bytes, Listed] = Recent(MOST_BYTES)
        self._features: dict[bytes, tuple[str, ...]] = {}

    def of(self, body: bytes) -> Listed | None:
        """Return what a body asks; None for what the view shall judge."""
        if (known := self._read.get(body)) is not None:
            return known
        try:
            asked = bulk.read(parsing.read(body))
        except APIException:
            return None
        if asked.at is not None or not asked.user_ids:
            return None
        listed = self._listed(asked, len(body))
        self._read.put(body, listed)
        return listed

    def _listed(self, asked: bulk.Asked, length: int) -> Listed:
        name = blake2b(rendered(asked.feature_codes), digest_size=16).digest()
        if len(self._features) >= MOST_FEATURES:
            self._features.clear()
        codes = self._features.setdefault(name, tuple(asked.feature_codes))
        ending = b'],"errors":' + rendered(asked.errors) + b"}"
        size = OWN_BYTES + 2 * length + TEXT_BYTES * len(asked.user_ids) + len(ending)
        return Listed(tuple(asked.user_ids), codes, name, ending, size)
