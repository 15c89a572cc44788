"""Why something is changed: who changes it says so in a header where there is no body, and history keeps it."""

from __future__ import annotations

from contextlib import AbstractContextManager

from drf_spectacular.utils import OpenApiParameter
from rest_framework.request import Request

from config.api.authentication import Role, principal
from config.api.strict import BadHeader
from events import context

LONGEST = 500
WORDS = f"Why, for history. {LONGEST} letters at most; name no person."
CHANGE_REASON = OpenApiParameter("Change-Reason", str, OpenApiParameter.HEADER, description=WORDS)
NEEDED_REASON = OpenApiParameter("Change-Reason", str, OpenApiParameter.HEADER, description=WORDS, required=True)


def change_reason(request: Request, *, needed: bool = False) -> str:
    """Return the reason that the header gives, "" without one. Raises BadHeader, where it is needed for none too."""
    said: str = request.META.get("HTTP_CHANGE_REASON", "").strip()
    if len(said) > LONGEST or not said.isprintable():
        raise BadHeader({"Change-Reason": f"At most {LONGEST} letters, all of them printable."})
    if needed and not said:
        raise BadHeader({"Change-Reason": "Say why."})
    return said


def reasoned(request: Request) -> AbstractContextManager[None]:
    """Let what follows be recorded with the reason that was given. Raises BadHeader for an admin without one."""
    return context.explained(change_reason(request, needed=principal(request).role is Role.ADMIN))
