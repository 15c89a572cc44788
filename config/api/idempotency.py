"""The Idempotency-Key header, for every POST that makes something."""

from __future__ import annotations

import hashlib
import re
from typing import Any

from drf_spectacular.utils import OpenApiParameter
from rest_framework.request import Request
from rest_framework.response import Response

from config.api.permissions import may
from config.api.strict import BadHeader

KEY = re.compile(r"[\x21-\x7e]{1,255}")
IDEMPOTENCY_KEY = OpenApiParameter(
    "Idempotency-Key",
    str,
    OpenApiParameter.HEADER,
    description="Any text of yours to 255 characters. The same key with the same body brings the same object again.",
)


def idempotency_key(request: Request) -> str | None:
    """Return what stands for the caller's key, None without one. Raises BadHeader for one that cannot be kept.

    Its hash is kept, not the key: callers put tokens and addresses into it.
    """
    key = request.META.get("HTTP_IDEMPOTENCY_KEY")
    if key is not None and not KEY.fullmatch(key):
        raise BadHeader({"Idempotency-Key": "Give 1 to 255 visible ASCII characters."})
    if key is not None and not may(request, "use an Idempotency-Key"):
        raise BadHeader({"Idempotency-Key": "A key belongs to who sends it: send a token too, or no key."})
    return key and hashlib.sha256(key.encode()).hexdigest()


def made(body: Any, replayed: bool, *, status: int = 201) -> Response:
    """Answer with what was made, and say when an earlier request made it."""
    return Response(body, status=status, headers={"Idempotent-Replayed": "true"} if replayed else {})
