"""JSON as Stripe prints it."""

import json
from typing import Any

from werkzeug import Response


def json_response(status: int, body: Any, headers: dict[str, str] | None = None) -> Response:
    """Make an answer of one JSON value."""
    return Response(json.dumps(body, indent=2) + "\n", status, headers, mimetype="application/json")
