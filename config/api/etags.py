"""What a client has already need not be sent again (RFC 9110, 13.1.2). Tags are weak: moments may differ."""

from __future__ import annotations

import hashlib
import json
from typing import Any

from django.utils.http import parse_etags
from drf_spectacular.utils import OpenApiParameter
from rest_framework.request import Request
from rest_framework.response import Response

IF_NONE_MATCH = OpenApiParameter(
    "If-None-Match", str, OpenApiParameter.HEADER, description="The ETag of the answer that you have: 304 if it stands."
)


def of(*said: Any) -> str:
    """Make the tag of what an answer is worked out from."""
    text = json.dumps(said, sort_keys=True, default=str)
    return f'W/"{hashlib.sha256(text.encode()).hexdigest()[:32]}"'


def matches(request: Request, tag: str) -> bool:
    """Say whether the client has this answer."""
    known = parse_etags(request.META.get("HTTP_IF_NONE_MATCH", ""))
    return "*" in known or tag in {each if each.startswith("W/") else f"W/{each}" for each in known}


def not_modified(tag: str) -> Response:
    """Answer without a body."""
    return Response(status=304, headers={"ETag": tag})
