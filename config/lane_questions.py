"""What the lane takes for a question: what is plain at sight, or what the view's own serializers have read."""

from __future__ import annotations

import re
from collections.abc import Mapping
from dataclasses import dataclass
from io import BytesIO
from typing import Any

from django.core.exceptions import SuspiciousOperation
from django.http import QueryDict
from rest_framework.exceptions import APIException
from rest_framework.serializers import Serializer

from config.api.parsing import StrictJSON
from entitlements.serializers.checks import Question, QuestionQuery

# Letters that stand for themselves in an address: no other reading of them is possible.
PLAIN = re.compile(r"user_id=([A-Za-z0-9._~-]{1,255})&feature_code=([A-Za-z0-9._~-]{1,100})", re.ASCII)
TAKEN = {"user_id", "feature_code", "requested"}
LONGEST_BODY, LONGEST_QUERY, REMEMBERED = 2048, 2048, 20_000


@dataclass(slots=True)
class Asked:
    """May the user (None: whoever asks) use so many units of the feature now? `answer` was told last."""

    user_id: str | None
    feature_code: str
    requested: int
    answer: Any = None


class Questions:
    """Questions that were read before, by the bytes that they came in."""

    def __init__(self) -> None:
        self._read: dict[object, Asked | None] = {}

    def of_query(self, query: str) -> Asked | None:
        """Return what an address asks; None for what the view shall judge."""
        if (known := self._read.get(query)) is not None or query in self._read:
            return known
        if plain := PLAIN.fullmatch(query):
            return self._remember(query, Asked(plain[1], plain[2], 1))
        if not query.isascii() or len(query) > LONGEST_QUERY:
            return None
        return self._remember(query, _read_query(query))

    def of_body(self, body: bytes, content_type: str) -> Asked | None:
        """Return what a body asks; None for what the view shall judge."""
        if content_type != "application/json":
            return None
        return self._read[body] if body in self._read else self._remember(body, _read_body(body))

    def of_oneself(self, asked: Asked, user_id: str) -> Asked | None:
        """Return the question of whoever named nobody and means himself."""
        key = user_id, asked.feature_code, asked.requested
        return self._read.get(key) or self._remember(key, Asked(*key))

    def _remember(self, key: object, asked: Asked | None) -> Asked | None:
        while len(self._read) >= REMEMBERED:
            self._read.pop(next(iter(self._read)), None)
        self._read[key] = asked
        return asked


def _read_query(query: str) -> Asked | None:
    try:
        said = QueryDict(query)
    except SuspiciousOperation:
        return None
    if any(len(values) > 1 for _, values in said.lists()):
        return None
    return _valid(QuestionQuery, said.dict())


def _read_body(body: bytes) -> Asked | None:
    try:
        said = StrictJSON().parse(BytesIO(body))
    except APIException:
        return None
    return _valid(Question, said) if isinstance(said, dict) else None


def _valid(serializer: type[Serializer[object]], said: Mapping[str, object]) -> Asked | None:
    if not said.keys() <= TAKEN:
        return None
    question = serializer(data=said)
    if not question.is_valid():
        return None
    found = question.validated_data
    return Asked(found.get("user_id"), found["feature_code"], found["requested"])
