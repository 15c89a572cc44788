"""Why something is changed: who changes it says so in a header where there is no body, and history keeps it."""

from __future__ import annotations

from drf_spectacular.utils import OpenApiParameter
from rest_framework.request import Request

from config.api.strict import BadHeader

LONGEST = 500
WORDS = f"Why, for history. {LONGEST} letters at most; name no person."
CHANGE_REASON = OpenApiParameter("Change-Reason", str, OpenApiParameter.HEADER, description=WORDS)
NEEDED_REASON = OpenApiParameter("Change-Reason", str, OpenApiParameter.HEADER, description=WORDS, required=True)


def change_reason(request: Request, *, needed: bool = False) -> str:
    """Return the reason that the header gives, "" without one. Raises BadHeader, where it is needed for none too."""
    said = request.headers.get("Change-Reason", "").strip()
    if len(said) > LONGEST or not said.isprintable():
        raise BadHeader({"Change-Reason": f"At most {LONGEST} letters, all of them printable."})
    if needed and not said:
        raise BadHeader({"Change-Reason": "Say why."})
    return said
