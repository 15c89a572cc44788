"""Whoever asks the lanes: tokens that were verified before and still hold, and what their bearers may do."""

from __future__ import annotations

import time
from collections.abc import Mapping
from dataclasses import dataclass
from hashlib import sha256
from typing import TYPE_CHECKING

from django.conf import settings
from rest_framework.exceptions import APIException

from config.api.authentication import SERVICE_KEY, Principal, believed
from config.api.leases import Lease
from config.api.limiting import lease, policy_of
from config.api.permissions import reach_of
from config.api.roles import Reach
from keys import authentication as service_keys

if TYPE_CHECKING:
    from _typeshed.wsgi import WSGIEnvironment

# With one of these the answer may differ.
UNUSUAL = frozenset(
    {
        "HTTP_ORIGIN",
        "HTTP_COOKIE",
        "HTTP_IDEMPOTENCY_KEY",
        "HTTP_TRANSFER_ENCODING",
        "HTTP_CONTENT_ENCODING",
        "HTTP_BETTER_AUTH_TOKEN",
        "HTTP_CHANGE_REASON",
    }
)
# A service key is read again as often as its ring is asked.
KEY, KEY_SECONDS = f"Bearer {SERVICE_KEY}", 1.0
MOST_CALLERS = 16_384


@dataclass(frozen=True, slots=True)
class Caller:
    """Who has shown this token, until when that is believed, and what he may do by which method."""

    until: float
    name: str
    user_id: str
    reaches: Mapping[str, Reach | None]
    policy: str
    lease: Lease | None


class Callers:
    """Those of one lane, whose operations are named by their methods; one policy of quotas counts them all."""

    def __init__(self, operations: Mapping[str, str]):
        self._operations = operations
        self._known: dict[str | bytes, Caller] = {}
        # Alike for most: what many callers have in common is near when they ask in turn.
        self._reaches: dict[tuple[Reach | None, ...], Mapping[str, Reach | None]] = {}

    def of(self, header: str) -> Caller | None:
        """Return who sends this Authorization; None for what Django shall judge."""
        known = self._known.get(header)
        if known is not None and time.time() < known.until:
            return known
        return self._introduced(header)

    def _introduced(self, header: str) -> Caller | None:
        # A token is old within minutes; a key opens the door for months, and only its hash is kept.
        name = sha256(header.encode(errors="surrogatepass")).digest() if header.startswith(KEY) else header
        known = self._known.get(name)
        if known is not None and time.time() < known.until:
            return known
        if not header.startswith("Bearer "):
            return None
        try:
            until, asking = _believed(header.removeprefix("Bearer ").strip())
        except APIException:
            return None
        while len(self._known) >= MOST_CALLERS:
            self._known.pop(next(iter(self._known)), None)
        self._known[name] = known = self._caller(until, asking)
        return known

    def _caller(self, until: float, asking: Principal) -> Caller:
        said = {method: reach_of(asking, operation) for method, operation in self._operations.items()}
        reaches = self._reaches.setdefault(tuple(said.values()), said)
        policy = policy_of(next(iter(self._operations.values())), asking)
        held = lease(policy, asking.name) if settings.RATE_LIMITED else None
        return Caller(until, asking.name, asking.user_id, reaches, policy, held)


def is_plain_post(environ: WSGIEnvironment, longest: int) -> bool:
    """Say whether it is a POST of JSON, of `longest` bytes at most, with nothing beside by which it may differ."""
    length = environ.get("CONTENT_LENGTH") or ""
    return bool(
        environ["REQUEST_METHOD"] == "POST"
        and environ.get("CONTENT_TYPE") == "application/json"
        and environ.keys().isdisjoint(UNUSUAL)
        and not environ.get("SCRIPT_NAME")
        and not environ["QUERY_STRING"]
        and "HTTP_HOST" in environ
        and length.isdecimal()
        and int(length) <= longest
    )


def _believed(token: str) -> tuple[float, Principal]:
    if token.startswith(SERVICE_KEY):
        return time.time() + KEY_SECONDS, service_keys.verify(token)
    return believed(token)
