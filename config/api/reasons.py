"""Why staff do what they do: the Change-Reason header, kept beside what history says of the change."""

from __future__ import annotations

from contextlib import AbstractContextManager

from drf_spectacular.utils import OpenApiParameter
from rest_framework.request import Request

from config.api.authentication import Role, principal
from config.api.strict import BadHeader
from events import context

LONGEST = 500
CHANGE_REASON = OpenApiParameter(
    "Change-Reason",
    str,
    OpenApiParameter.HEADER,
    description="Why, in your words; kept in history with the change. An admin must give one.",
)


def reasoned(request: Request) -> AbstractContextManager[None]:
    """Let what follows be recorded with the reason that was given. Raises BadHeader for an admin without one."""
    said = request.headers.get("Change-Reason", "").strip()
    if len(said) > LONGEST or not said.isprintable():
        raise BadHeader({"Change-Reason": f"At most {LONGEST} letters, all of them printable."})
    if not said and principal(request).role is Role.ADMIN:
        raise BadHeader({"Change-Reason": "Say why: what is another's is changed for a reason."})
    return context.explained(said)
