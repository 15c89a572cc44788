"""Who asks: a bearer token, verified without a database call."""

from __future__ import annotations

import math
import time
from dataclasses import dataclass
from enum import StrEnum
from functools import lru_cache
from typing import Any

import structlog
from django.conf import settings
from rest_framework.authentication import BaseAuthentication
from rest_framework.exceptions import APIException, AuthenticationFailed
from rest_framework.request import Request

from config.api import jwks, tokens
from config.api.parsing import UNSTORABLE
from events import context

log = structlog.get_logger("farebox.authentication")
# What stands before a service key, so that scanners of leaked secrets know it; no JWT begins so.
SERVICE_KEY = "fbk_"


class Role(StrEnum):
    ANONYMOUS = "anonymous"
    USER = "user"
    SERVICE = "service"
    SUPPORT = "support"
    ADMIN = "admin"


class Scope(StrEnum):
    """What a service may do, of what the table of roles lets services do."""

    CHECK = "check"
    USAGE_WRITE = "usage:write"
    EVENTS_READ = "events:read"
    ADMIN = "admin"


EVERY_SCOPE = frozenset(Scope)
NAMEABLE = frozenset(Role) - {Role.ANONYMOUS}


@dataclass(frozen=True, slots=True)
class Principal:
    """The one who asks. `user_id` is the token's `sub`: any string to 255, the product's own id.

    `scopes` narrow the role of a service; other roles have them all.
    """

    user_id: str
    role: Role
    scopes: frozenset[Scope] = EVERY_SCOPE

    @property
    def is_authenticated(self) -> bool:
        return self.role is not Role.ANONYMOUS

    @property
    def name(self) -> str:
        """How history and logs call the one who asks, such as `user:42`."""
        return f"{self.role}:{self.user_id}" if self.is_authenticated else str(self.role)


class IssuerAway(APIException):
    """The issuer's keys are needed and cannot be fetched: the token may well be good."""

    status_code = 503
    default_code = "issuer_unreachable"
    default_detail = "The token's issuer does not answer. Please try again."


def principal(request: Request) -> Principal:
    """Return the one who asks."""
    asking: Any = request.user
    assert isinstance(asking, Principal)  # noqa: S101 (DRF's type of `user` is Django's; ours is never one)
    return asking


def anonymous() -> Principal:
    """Return the principal of a request without a token."""
    return Principal("", Role.ANONYMOUS)


def introduce(request: Request, asking: Principal) -> Principal:
    """Let history and logs know who asks."""
    context.actor.set(asking.name)
    request._request.principal_id = asking.user_id  # type: ignore[attr-defined]
    return asking


def bearer(request: Request) -> str | None:
    """Return the token of `Authorization: Bearer`, None without the header. Raises AuthenticationFailed."""
    header: str | None = request.META.get("HTTP_AUTHORIZATION")
    if header is None:
        return None
    scheme, _, token = header.partition(" ")
    if scheme.lower() != "bearer" or not token.strip():
        raise AuthenticationFailed("The Authorization header must be: Bearer <token>.")
    return token.strip()


class BearerToken(BaseAuthentication):
    """`Authorization: Bearer <JWT>`, or the same token in `better-auth-token` (requirements.md, ruling 7)."""

    def authenticate(self, request: Request) -> tuple[Principal, None] | None:
        """Return the principal, None without a token, and raise AuthenticationFailed on a bad one."""
        token = bearer(request)
        if token is not None:
            return introduce(request, verify(token)), None
        token = request.META.get("HTTP_BETTER_AUTH_TOKEN")
        if token is None:
            return None
        return introduce(request, _bare(token) or verify(token)), None

    def authenticate_header(self, request: Request) -> str:
        """Make DRF answer 401 and name the scheme (RFC 6750)."""
        return 'Bearer realm="farebox"'


def verify(token: str) -> Principal:
    """Check a token's signature and claims, and return whose it is. Raises AuthenticationFailed and IssuerAway."""
    return believed(token)[1]


def believed(token: str) -> tuple[float, Principal]:
    """Check a token, and return until when it is believed without looking again (seconds since 1970), and whose it is.

    A service's token may carry `scope` (RFC 8693, 4.2); without it the service has its whole row. Raises
    AuthenticationFailed with the reason, and IssuerAway.
    """
    try:
        until, claims = tokens.verify(token)
    except tokens.BadToken as reason:
        raise AuthenticationFailed(str(reason)) from None
    except jwks.IssuerUnreachable:
        raise IssuerAway from None
    return until, _principal(claims.get("sub"), claims.get("role", Role.USER.value), claims.get("scope"))


def seconds_left(request: Request) -> float:
    """Return for how many seconds more the request's token is good; of what has no such end, no end."""
    token = bearer(request) or request.META.get("HTTP_BETTER_AUTH_TOKEN", "")
    try:
        _, claims = tokens.verify(token)
    except (tokens.BadToken, jwks.IssuerUnreachable):
        return math.inf
    return float(claims["exp"]) - time.time()


def _bare(token: str) -> Principal | None:
    """Believe a bare user id, as 001 did, on a developer's machine alone: both settings must say so."""
    if not (settings.AUTH_INSECURE_DEV and settings.DEBUG) or token.count(".") == 2:
        return None
    log.warning("INSECURE: a bare id was believed, because AUTH_INSECURE_DEV and DEBUG are on")
    return _principal(token, Role.USER.value, None)


def _principal(*claims: object) -> Principal:
    # What is no text is refused: it need not be remembered, and may not be.
    known = all(claim is None or type(claim) is str for claim in claims)
    return (_read if known else _read.__wrapped__)(*claims)


@lru_cache(maxsize=tokens.REMEMBERED_TOKENS)
def _read(user_id: object, role: object, scope: object) -> Principal:
    if not isinstance(user_id, str) or not 0 < len(user_id) <= 255 or UNSTORABLE.search(user_id):
        raise AuthenticationFailed("The token's sub must be a string of 1 to 255 characters.")
    if not isinstance(role, str) or role not in NAMEABLE:
        raise AuthenticationFailed("The token's role is none of user, service, support, admin.")
    if Role(role) is not Role.SERVICE or scope is None:
        return Principal(user_id, Role(role))
    if not isinstance(scope, str):
        raise AuthenticationFailed("The token's scope must be words with a space between them.")
    return Principal(user_id, Role.SERVICE, frozenset(Scope(word) for word in scope.split() if word in EVERY_SCOPE))
