"""Fields that take what they say and nothing that only resembles it.

DRF's own are generous: its integers take "1_000", full-width digits, 10.0 and true; its texts take numbers and lose
their spaces; its UUIDs take integers.
"""

from __future__ import annotations

import json
import re
from datetime import datetime
from decimal import Decimal
from typing import Any
from uuid import UUID

from rest_framework import serializers

from config.api.parsing import MAX_INTEGER, UNSTORABLE

# Stripe takes at most twelve digits.
MAX_AMOUNT = 999_999_999_999
DIGITS = re.compile(r"-?[0-9]{1,16}")
DECIMAL = re.compile(r"-?[0-9]{1,16}(\.[0-9]{1,16})?")
CANONICAL_UUID = re.compile(r"[0-9a-fA-F]{8}(-[0-9a-fA-F]{4}){3}-[0-9a-fA-F]{12}")
VISIBLE = re.compile(r"[\x21\x23-\x3b\x3d\x3f-\x5b\x5d\x5f\x61-\x7e]+")
# What follows the host is a path or a query: "#@" there is read differently by old readers.
AFTER_THE_HOST = re.compile(r"[a-z]+://[^/?#@]+([/?].*)?")
MAX_KEYS, MAX_KEY, MAX_VALUE = 20, 40, 500
MAX_JSON = 4000
# Far enough for every lease, near enough for every calendar.
LAST_YEAR = 9000
RFC_3339 = re.compile(
    r"[0-9]{4}-[0-9]{2}-[0-9]{2}[Tt][0-9]{2}:[0-9]{2}:[0-9]{2}(\.[0-9]{1,9})?([Zz]|[+-][0-9]{2}:[0-9]{2})"
)


class Integer(serializers.IntegerField):
    """A JSON integer; in a query (`text=True`) ASCII digits."""

    def __init__(self, *, text: bool = False, **kwargs: Any):
        kwargs.setdefault("max_value", MAX_INTEGER)
        kwargs.setdefault("min_value", -MAX_INTEGER)
        super().__init__(**kwargs)
        self.text = text

    def to_internal_value(self, data: Any) -> int:
        """Return the integer. Fails for every other type, true and 10.0 too."""
        if self.text and isinstance(data, str) and DIGITS.fullmatch(data):
            return int(data)
        if self.text or type(data) is not int:
            self.fail("invalid")
        return int(data)


class Amount(Integer):
    """Money in integer minor units."""

    def __init__(self, **kwargs: Any):
        kwargs.setdefault("max_value", MAX_AMOUNT)
        kwargs.setdefault("min_value", 0)
        super().__init__(**kwargs)


class ExactDecimal(serializers.DecimalField):
    """A decimal as a string or a JSON number, in plain digits."""

    def to_internal_value(self, data: Any) -> Decimal:
        """Return the decimal. Fails for exponents, underscores, signs of other scripts, true."""
        if isinstance(data, bool) or not isinstance(data, str | int | float) or not DECIMAL.fullmatch(str(data)):
            self.fail("invalid")
        return super().to_internal_value(str(data))


class Boolean(serializers.BooleanField):
    """True or false, and not "yes"."""

    def to_internal_value(self, data: Any) -> bool:
        """Return the boolean. Fails for 1, "on" and the like."""
        if not isinstance(data, bool):
            self.fail("invalid", input=data)
        return bool(data)


class Text(serializers.CharField):
    """A string, kept as it is: no number becomes one, no space is lost, no NUL and no lone surrogate comes in."""

    default_error_messages = {
        "unstorable": "NUL and lone surrogates are not accepted.",
    }
    _most = 0

    def __init__(self, **kwargs: Any):
        super().__init__(**{"trim_whitespace": False, **kwargs})
        # A text that is not too long and has nothing unstorable is good.
        is_plain = type(self) is Text and not kwargs.keys() & {"min_length", "trim_whitespace", "validators"}
        self._most = (self.max_length or 0) if is_plain else 0

    def run_validation(self, data: Any = serializers.empty) -> Any:
        """Return the string. Raises ValidationError."""
        if type(data) is str and 0 < len(data) <= self._most and not UNSTORABLE.search(data):
            return data
        return super().run_validation(data)

    def to_internal_value(self, data: Any) -> str:
        """Return the string. Fails for every other type."""
        if not isinstance(data, str):
            self.fail("invalid")
        if UNSTORABLE.search(data):
            self.fail("unstorable")
        return str(data)


class Pattern(Text, serializers.RegexField):
    """A string of one form, such as a country code. `like` is what an error shows of the form."""

    def __init__(self, regex: str, *, like: str, **kwargs: Any):
        said = {"trim_whitespace": False, "error_messages": {"invalid": f"It must look like {like}."}, **kwargs}
        serializers.RegexField.__init__(self, regex, **said)


class Slug(Pattern):
    """The name of a plan or a feature, in a link's letters."""

    def __init__(self, **kwargs: Any):
        super().__init__(r"^[-a-zA-Z0-9_]+\Z", like="pro-monthly", **kwargs)


class Uuid(serializers.UUIDField):
    """A UUID in its canonical form, a string of 36 characters."""

    def to_internal_value(self, data: Any) -> UUID:
        """Return the UUID. Fails for integers, `urn:uuid:`, braces, and 32 digits without hyphens."""
        if not isinstance(data, str) or not CANONICAL_UUID.fullmatch(data):
            self.fail("invalid", value=data)
        return UUID(data)


class Choice(serializers.ChoiceField):
    """One of some strings; an error names them."""

    def __init__(self, choices: Any, **kwargs: Any):
        super().__init__(choices, **kwargs)
        self.error_messages["invalid_choice"] = f'"{{input}}" is none of: {", ".join(map(str, self.choices))}.'

    def to_internal_value(self, data: Any) -> Any:
        """Return the choice. Fails for everything that only prints like one."""
        if not isinstance(data, str):
            self.fail("invalid_choice", input=str(data)[:100])
        return super().to_internal_value(data)


class Url(serializers.URLField):
    """An address in visible ASCII, without what browsers and servers read differently, such as the backslash."""

    def __init__(self, **kwargs: Any):
        super().__init__(**{"trim_whitespace": False, **kwargs})

    def to_internal_value(self, data: Any) -> str:
        """Return the address. Fails for other scripts, spaces, control characters, and a name before the host."""
        if not isinstance(data, str) or not VISIBLE.fullmatch(data) or not AFTER_THE_HOST.fullmatch(data):
            self.fail("invalid")
        return str(data)


class Moment(serializers.DateTimeField):
    """RFC 3339 with an offset: a moment without one means another time to each reader."""

    default_error_messages = {
        "offset": "Give the offset too, such as 2026-01-31T12:00:00Z.",
        "year": f"Give a year from 1970 to {LAST_YEAR}.",
    }

    def to_internal_value(self, value: Any) -> datetime:
        """Read RFC 3339: Python's own reader takes weeks, commas and the digits of other scripts too."""
        if not isinstance(value, str) or not RFC_3339.fullmatch(value):
            self.fail("offset")
        # Its letters may be small ones, which Python does not read.
        return super().to_internal_value(value.upper())

    def enforce_timezone(self, value: datetime) -> datetime:
        """Refuse a moment without an offset, which DRF would take for UTC."""
        if value.tzinfo is None:
            self.fail("offset")
        moment = super().enforce_timezone(value)
        if not 1970 <= moment.year <= LAST_YEAR:
            self.fail("year")
        return moment


class Json(serializers.JSONField):
    """Any JSON of at most 4,000 letters: what it may say depends on what it is for."""

    default_error_messages = {"long": f"At most {MAX_JSON} letters of JSON."}

    def to_internal_value(self, data: Any) -> Any:
        """Return it as it is. Fails when it is too long."""
        if len(json.dumps(data)) > MAX_JSON:
            self.fail("long")
        return data


class Metadata(serializers.DictField):
    """The caller's own notes: at most 20 keys of 40 characters, values of 500."""

    child = Text(max_length=MAX_VALUE, allow_blank=True)
    default_error_messages = {
        "keys": f"At most {MAX_KEYS} keys.",
        "key": f"A key has 1 to {MAX_KEY} characters.",
    }

    def to_internal_value(self, data: Any) -> dict[str, str]:
        """Return the notes. Fails for too many, too long, and anything but strings."""
        if isinstance(data, dict) and len(data) > MAX_KEYS:
            self.fail("keys")
        if isinstance(data, dict) and not all(0 < len(name) <= MAX_KEY for name in data):
            self.fail("key")
        found: dict[str, str] = super().to_internal_value(data)
        return found
