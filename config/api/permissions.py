"""May this principal do this, and to whose objects?"""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

from django.core.exceptions import PermissionDenied
from django.http import Http404
from rest_framework.exceptions import MethodNotAllowed
from rest_framework.permissions import BasePermission
from rest_framework.request import Request

from config.api.authentication import Principal, Role, Scope, principal
from config.api.roles import DEEDS, ROLES, Reach, scope_of

if TYPE_CHECKING:
    from rest_framework.views import APIView  # It imports this module, by the settings.


def operation(request: Request) -> str:
    """Name the operation: the method and the route's name, as in the table of roles."""
    raw: Any = request._request
    asked: str | None = getattr(raw, "operation", None)
    if asked is None:
        match, method = raw.resolver_match, "GET" if raw.method == "HEAD" else raw.method
        raw.operation = asked = f"{method} {match.url_name if match else ''}"
    return asked


def reach(request: Request) -> Reach | None:
    """Return whose objects the principal may touch by this operation, None for nobody's."""
    raw, asking = request._request, principal(request)
    held: tuple[Principal, Reach | None] | None = getattr(raw, "reach", None)
    if held is None or held[0] is not asking:
        raw.reach = held = asking, reach_of(asking, operation(request))  # type: ignore[attr-defined]
    return held[1]


def reach_of(asking: Principal, asked: str) -> Reach | None:
    """Return the same of an operation by its name."""
    needed = scope_of(asked)
    if asking.role is Role.SERVICE and needed and not asking.scopes & {needed, Scope.ADMIN}:
        return None
    return ROLES.get(asked, {}).get(asking.role)


class ByTable(BasePermission):
    """Let through what the table of roles names. No row, no entry."""

    def has_permission(self, request: Request, view: APIView) -> bool:
        """Refuse: 401 without a token, 403 with one (DRF decides by `authenticate_header`), 405 what no view does."""
        if not hasattr(type(view), str(request.method).lower().replace("head", "get")):
            raise MethodNotAllowed(str(request.method))
        if reach(request) is not None:
            return True
        self.message = _refusal(principal(request), operation(request))
        return False


def _refusal(asking: Principal, asked: str) -> str:
    needed = scope_of(asked)
    if asking.role is Role.SERVICE and needed and Role.SERVICE in ROLES.get(asked, {}):
        return f"The scope {needed.value} is missing."
    roles = ", ".join(role.value for role in ROLES.get(asked, {}))
    return f"The role {asking.role.value} may not do this; {roles} may." if roles else "Nobody may do this."


def may(request: Request, deed: str) -> bool:
    """Say whether the principal may do what the table names beside the operations."""
    return principal(request).role in DEEDS[deed]


def insist(request: Request, deed: str) -> None:
    """Raise PermissionDenied when the principal may not do it."""
    if not may(request, deed):
        raise PermissionDenied(f"The role {principal(request).role.value} may not {deed}.")


def subject(request: Request, user_id: str) -> str:
    """Return `user_id` when it is within reach. A foreign user is a 404, the same as an absent one."""
    if reach(request) is Reach.OWN and user_id != principal(request).user_id:
        raise Http404
    return user_id


def owner(request: Request) -> str | None:
    """Return the only user whose objects may be read, None when all may."""
    return principal(request).user_id if reach(request) is Reach.OWN else None
