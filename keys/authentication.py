"""`Authorization: Bearer fbk_<prefix>_<secret>`: a service, by its key."""

from __future__ import annotations

from rest_framework.authentication import BaseAuthentication
from rest_framework.exceptions import AuthenticationFailed
from rest_framework.request import Request

from config.api.authentication import SERVICE_KEY, Principal, Role, bearer, introduce
from keys import secrets
from keys.ring import ring


class ServiceKeyBearer(BaseAuthentication):
    def authenticate(self, request: Request) -> tuple[Principal, None] | None:
        """Return the service, None for another kind of token. Raises AuthenticationFailed on a key that is not live."""
        token = bearer(request)
        if token is None or not token.startswith(SERVICE_KEY):
            return None
        return introduce(request, verify(token)), None

    def authenticate_header(self, request: Request) -> str:
        """Make DRF answer 401 and name the scheme (RFC 6750)."""
        return 'Bearer realm="farebox"'


def verify(token: str) -> Principal:
    """Return whose key this is, and note that it is used. Raises AuthenticationFailed when it is not live."""
    secret = secrets.read(token)
    held = ring.find(secret) if secret else None
    if secret is None or held is None:
        raise AuthenticationFailed("The service key is not valid.")
    ring.note_use(secret, held)
    return Principal(held.name, Role.SERVICE, held.scopes)
