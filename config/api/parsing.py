"""Bodies: JSON and nothing else, small, shallow, and without anything that two readers could understand differently.

The rules are those of I-JSON (RFC 7493): UTF-8, no name twice, no lone surrogate, integers within 2^53; and no NUL,
which Postgres cannot keep.
"""

from __future__ import annotations

import json
import math
import re
from collections.abc import Iterator, Mapping
from typing import IO, Any

from rest_framework.exceptions import APIException, ParseError, UnsupportedMediaType
from rest_framework.parsers import BaseParser

MAX_BODY_BYTES = 64 * 1024
MAX_BATCH_BYTES = 1024 * 1024
MAX_DEPTH = 20
# A thousand small things in a list.
MOST_OPENED = 2048
# Integers beyond it are no longer exact where numbers are doubles, as in JavaScript.
MAX_INTEGER = 2**53 - 1
# One answer names so many places at most.
MAX_NAMED = 20
TOKEN = re.compile(r'\\.|["\[\]{}]', re.DOTALL)
UNSTORABLE = re.compile("[\x00\ud800-\udfff]")


class Malformed(ParseError):
    """The body cannot be read; `errors` name the places, as a problem's."""

    default_code = "malformed_json"

    def __init__(self, errors: list[dict[str, str]]):
        super().__init__("The body cannot be read: see errors.")
        self.errors = errors


class BodyTooLarge(APIException):
    status_code = 413
    default_code = "body_too_large"

    def __init__(self, most: int = MAX_BODY_BYTES):
        super().__init__(f"A body has at most {most} bytes here.")


class StrictJSON(BaseParser):
    """The parser of the API: every content type that an operation does not name is a 415."""

    media_type = "application/json"
    most_bytes = MAX_BODY_BYTES

    def parse(
        self, stream: IO[Any], media_type: str | None = None, parser_context: Mapping[str, Any] | None = None
    ) -> Any:
        """Read a body. Raises BodyTooLarge, Malformed, and UnsupportedMediaType for a charset that is not UTF-8."""
        charset = re.search(r"charset\s*=\s*\"?([^\s;\"]+)", media_type or "", re.IGNORECASE)
        if charset and charset[1].lower() not in ("utf-8", "utf8"):
            raise UnsupportedMediaType(str(media_type))
        body = stream.read(self.most_bytes + 1)
        if len(body) > self.most_bytes:
            raise BodyTooLarge(self.most_bytes)
        return read(body)


class StrictBatch(StrictJSON):
    """The same rules for a thousand small things at once."""

    most_bytes = MAX_BATCH_BYTES


class CloudEvent(StrictJSON):
    """One CloudEvent in its structured form."""

    media_type = "application/cloudevents+json"


class CloudEvents(StrictBatch):
    """A batch of them."""

    media_type = "application/cloudevents-batch+json"


class Pairs(dict[str, Any]):
    """An object as it was written: dict, and the names that came twice."""

    def __init__(self, pairs: list[tuple[str, Any]]):
        super().__init__(pairs)
        seen: set[str] = set()
        self.twice = [name for name, _ in pairs if name in seen or seen.add(name)]  # type: ignore[func-returns-value]


def read(body: bytes) -> Any:
    """Return what a JSON body says. Raises Malformed with the field or the position of everything wrong."""
    try:
        text = body.decode("utf-8")
    except UnicodeDecodeError as reason:
        raise Malformed([_wrong("", "not_utf8", f"Byte {reason.start} is no UTF-8.")]) from None
    plain = _plain(text)
    return _closely(text) if plain is None else plain


def _closely(text: str) -> Any:
    if (position := _too_deep(text)) is not None:
        raise Malformed([_wrong("", "too_deep", f"Nested more than {MAX_DEPTH} deep at character {position}.")])
    try:
        found = json.loads(text, object_pairs_hook=Pairs, parse_int=_integer, parse_constant=lambda _: math.nan)
    except json.JSONDecodeError as reason:
        place = f"line {reason.lineno}, column {reason.colno}"
        raise Malformed([_wrong("", "not_json", f"{reason.msg} at {place}.")]) from None
    if errors := [error for error, _ in zip(_faults(found, ""), range(MAX_NAMED), strict=False)]:
        raise Malformed(errors)
    return found


def _plain(text: str) -> Any:
    """Read an object that is good at sight, in a fifth of the time; None for what is to be looked at closely.

    Without a backslash no letter hides: NUL is no JSON, UTF-8 has no lone surrogate, and every quote is a name's or a
    text's. A name that comes twice leaves quotes that nothing accounts for.
    """
    if "\\" in text or not text.startswith("{") or text.count("{") + text.count("[") > MOST_OPENED:
        return None
    try:
        found = json.loads(text, parse_int=_integer, parse_constant=lambda _: math.nan)
    except (json.JSONDecodeError, RecursionError):
        return None
    return found if isinstance(found, dict) and 2 * _texts(found, MAX_DEPTH) == text.count('"') else None


def _texts(value: Any, depth: int) -> float:
    """Count the texts in a value, names too; NaN when it is too deep, or a number is out of range."""
    kind, count = type(value), 0.0
    if kind is str:
        return 1
    if kind is int:
        return 0 if -MAX_INTEGER <= value <= MAX_INTEGER else math.nan
    if kind is float:
        return 0 if math.isfinite(value) else math.nan
    if kind is not dict and kind is not list:
        return 0
    if not depth:
        return math.nan
    for each in value.values() if kind is dict else value:
        count += 1 if type(each) is str else _texts(each, depth - 1)
    return count + len(value) if kind is dict else count


def escaped(name: str) -> str:
    """Write a name as one step of a JSON pointer (RFC 6901); what cannot be sent is shown as Python writes it."""
    readable = name.encode("utf-8", "backslashreplace").decode().replace("\x00", "\\x00")
    return readable.replace("~", "~0").replace("/", "~1")


def _too_deep(text: str) -> int | None:
    # Before the parser runs: it calls itself for each level.
    depth, quoted = 0, False
    for match in TOKEN.finditer(text):
        mark = match[0]
        if mark == '"':
            quoted = not quoted
        elif not quoted and mark in "[{":
            depth += 1
            if depth > MAX_DEPTH:
                return match.start()
        elif not quoted and mark in "]}":
            depth -= 1
    return None


def _integer(digits: str) -> int | float:
    # Python refuses to read thousands of digits; seventeen are too many already.
    return int(digits) if len(digits) <= 17 else math.inf


def _faults(value: Any, pointer: str) -> Iterator[dict[str, str]]:
    if isinstance(value, str) and UNSTORABLE.search(value):
        yield _wrong(pointer, "unstorable_character", "NUL and lone surrogates are not accepted.")
    elif isinstance(value, float) and not math.isfinite(value):
        yield _wrong(pointer, "number_out_of_range", f"Numbers are finite, and integers within {MAX_INTEGER}.")
    elif isinstance(value, int) and abs(value) > MAX_INTEGER:
        yield _wrong(pointer, "number_out_of_range", f"Integers are within {MAX_INTEGER}.")
    elif isinstance(value, list):
        for index, inner in enumerate(value):
            yield from _faults(inner, f"{pointer}/{index}")
    elif isinstance(value, Pairs):
        yield from _faults_of_names(value, pointer)
        for name, inner in value.items():
            yield from _faults(inner, f"{pointer}/{escaped(name)}")


def _faults_of_names(value: Pairs, pointer: str) -> Iterator[dict[str, str]]:
    for name in value.twice:
        yield _wrong(f"{pointer}/{escaped(name)}", "named_twice", "This name stands here twice.")
    for name in value:
        if UNSTORABLE.search(name):
            yield _wrong(
                f"{pointer}/{escaped(name)}", "unstorable_character", "NUL and lone surrogates are not accepted."
            )


def _wrong(pointer: str, code: str, detail: str) -> dict[str, str]:
    return {"pointer": f"#{pointer}", "code": code, "detail": detail}
