"""The types of ids in paths. What cannot be one is no path: 404, and no query."""

from __future__ import annotations

from django.urls import register_converter
from django.urls.converters import SlugConverter, StringConverter


class UserId(StringConverter):
    """The product's own id of a user: any string to 255 but for the slash, and for NUL, which Postgres cannot keep."""

    regex = r"[^/\x00]{1,255}"


class Name(SlugConverter):
    """The slug of a plan or a feature."""

    regex = r"[-a-zA-Z0-9_]{1,100}"


register_converter(UserId, "user")
register_converter(Name, "name")
