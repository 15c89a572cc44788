"""Is this token good? Signature, then claims, always in one order, and never with a database call (RFC 8725)."""

from __future__ import annotations

import base64
import hashlib
import json
import math
import threading
import time
from collections import OrderedDict
from collections.abc import Mapping
from typing import Any

import jwt

from config.api import issuers, jwks
from config.api.issuers import Issuer

LEEWAY_SECONDS = 30
LONGEST_BYTES = 8 * 1024
LONGEST_LIFE_SECONDS = 15 * 60
LONGEST_SERVICE_LIFE_SECONDS = 5 * 60
REMEMBERED_SECONDS = 60
REMEMBERED_TOKENS = 16_384
REQUIRED = ("exp", "iat", "sub", "aud", "iss")
# Each lets a token name its own key, or change what its signature means.
REFUSED_FIELDS = frozenset({"jku", "x5u", "jwk", "x5c", "crit", "b64", "zip"})
TYPES = frozenset({"jwt", "at+jwt"})

Claims = Mapping[str, Any]
Remembered = tuple[float, Claims]
Issuers = tuple[Issuer, ...]


class BadToken(Exception):
    """The token is not believed; the sentence says why, and holds nothing of the token."""


class _Memory:
    """Tokens that were good a moment ago, by their hash: the same token is verified once a minute, not each time."""

    def __init__(self) -> None:
        self._good: OrderedDict[bytes, tuple[float, Claims]] = OrderedDict()
        self._lock = threading.Lock()

    def get(self, key: bytes, now: float) -> Remembered | None:
        """Return a token that is still remembered: until when, and its claims."""
        with self._lock:
            found = self._good.get(key)
            return found if found and now < found[0] else None

    def put(self, key: bytes, claims: Claims, now: float) -> Remembered:
        """Remember a good token, never past its own end; the oldest makes room."""
        with self._lock:
            self._good[key] = found = (min(now + REMEMBERED_SECONDS, claims["exp"] + LEEWAY_SECONDS), claims)
            self._good.move_to_end(key)
            while len(self._good) > REMEMBERED_TOKENS:
                self._good.popitem(last=False)
            return found


_memory: tuple[Issuers, _Memory] = (), _Memory()


def _remembering(known: Issuers) -> _Memory:
    # Another configuration is another memory: a key that was taken away is not remembered.
    global _memory
    held = _memory
    if held[0] is not known:
        _memory = held = known, _Memory()
    return held[1]


def verify(token: str, *, now: float | None = None) -> Remembered:
    """Return until when a good token is believed without looking again (seconds since 1970), and its claims.

    Raises BadToken and jwks.IssuerUnreachable.
    """
    if len(token) > LONGEST_BYTES:
        raise BadToken("The token is longer than 8 KiB.")
    now = time.time() if now is None else now
    known = issuers.configured()
    memory, key = _remembering(known), hashlib.sha256(token.encode(errors="surrogatepass")).digest()
    if (remembered := memory.get(key, now)) is not None:
        return remembered
    issuer = _issuer(token, known)
    claims = _signed(token, issuer)
    _times(claims, now, _longest_life(claims, issuer))
    return memory.put(key, claims, now)


def _issuer(token: str, known: Issuers) -> Issuer:
    """Find the issuer that the token names. Nothing else of the token is used before its signature is checked."""
    parts = token.split(".")
    if len(parts) != 3 or not all(parts):
        raise BadToken("The token is not a signed JWT.")
    header, claims = _part(parts[0]), _part(parts[1])
    if refused := REFUSED_FIELDS & set(header):
        raise BadToken(f"The token's header must not have {sorted(refused)[0]}.")
    if "typ" in header and str(header["typ"]).lower() not in TYPES:
        raise BadToken("The token's typ is not JWT.")
    named = claims.get("iss")
    issuer = next((each for each in known if each.name == named), None)
    if issuer is None:
        raise BadToken("The token's issuer is not known.")
    if header.get("alg") != issuer.algorithm:
        raise BadToken("The token's algorithm is not its issuer's.")
    return issuer


def _part(text: str) -> dict[str, Any]:
    try:
        read = json.loads(
            base64.b64decode(text + "=" * (-len(text) % 4), altchars=b"-_", validate=True),
            object_pairs_hook=_once,
            parse_constant=_refused,
        )
    except (ValueError, RecursionError):
        raise BadToken("The token cannot be read.") from None
    if not isinstance(read, dict):
        raise BadToken("The token cannot be read.")
    return read


def _once(pairs: list[tuple[str, Any]]) -> dict[str, Any]:
    read = dict(pairs)
    if len(read) != len(pairs):
        raise ValueError("a name stands there twice")
    return read


def _refused(constant: str) -> Any:
    raise ValueError(f"{constant} is no number")


def _signed(token: str, issuer: Issuer) -> Claims:
    try:
        claims: Claims = jwt.decode(
            token,
            _key(token, issuer),
            algorithms=[issuer.algorithm],
            audience=issuer.audience,
            issuer=issuer.name,
            leeway=LEEWAY_SECONDS,
            options={"require": list(REQUIRED)},
        )
    except (jwt.PyJWTError, ValueError, TypeError, OverflowError) as reason:
        kind = type(reason).__name__
        raise BadToken(f"The token is not valid: {REASONS.get(kind, 'it cannot be verified')}.") from None
    return claims


REASONS = {
    "InvalidSignatureError": "its signature is wrong",
    "ExpiredSignatureError": "it has expired",
    "ImmatureSignatureError": "its time has not begun",
    "InvalidAudienceError": "it is for another audience",
    "MissingRequiredClaimError": "exp, iat, sub, aud and iss are required",
    "InvalidSubjectError": "its sub is no text",
}


def _key(token: str, issuer: Issuer) -> Any:
    if not issuer.jwks_url:
        return issuer.secret or issuer.public_key
    kid = jwt.get_unverified_header(token).get("kid")
    key = jwks.key_set(issuer.jwks_url, issuer.algorithm).key(kid) if isinstance(kid, str) else None
    if key is None:
        raise BadToken("The token's kid is not known.")
    return key


def _longest_life(claims: Claims, issuer: Issuer) -> int:
    if claims.get("role") == "service":
        if not issuer.services:
            raise BadToken("The token's issuer may not name services.")
        return LONGEST_SERVICE_LIFE_SECONDS
    return LONGEST_LIFE_SECONDS


def _times(claims: Claims, now: float, longest: int) -> None:
    for name in ("exp", "iat", *(["nbf"] if "nbf" in claims else [])):
        value = claims[name]
        if isinstance(value, bool) or not isinstance(value, int | float) or not math.isfinite(value):
            raise BadToken(f"The token's {name} is no number.")
    if not now - LEEWAY_SECONDS < claims["exp"] or claims["iat"] > now + LEEWAY_SECONDS:
        raise BadToken("The token is not valid: it has expired, or its time has not begun.")
    if not 0 < claims["exp"] - claims["iat"] <= longest:
        raise BadToken(f"The token lives longer than {longest} s.")
