"""The keys that an issuer publishes (RFC 7517). Beside the gateway, the only module that opens a connection outwards.

It asks no address but those of the configuration: what a token names is never followed.
"""

from __future__ import annotations

import json
import threading
import time
import urllib.error
import urllib.request
from functools import lru_cache
from http.client import HTTPException
from typing import IO, Any
from urllib.parse import urlsplit

import jwt
import structlog
from django.conf import settings

from config.api.issuers import FITS

TIMEOUT_SECONDS = 3.0
LONGEST_BYTES = 256 * 1024
# Keys are asked for again after this time, so that a key that was withdrawn is forgotten.
FRESH_SECONDS = 600.0
# An unknown key id asks again, but whoever invents ids must not make us ask all the time.
PAUSE_SECONDS = 60.0
# An issuer that is away does not lock its users out; a key that it withdrew meanwhile must not live for ever.
STALE_SECONDS = 3600.0

log = structlog.get_logger("farebox.jwks")


class IssuerUnreachable(Exception):
    """The issuer's keys are not known, and it cannot be asked."""


class _NoRedirects(urllib.request.HTTPRedirectHandler):
    def redirect_request(self, *_args: Any) -> None:
        """Follow nothing: the answer counts as an error."""


class KeySet:
    """The keys behind one URL, by kid."""

    def __init__(self, url: str, algorithm: str):
        self._url, self._algorithm = url, algorithm
        self._keys: dict[str, Any] = {}
        self._fetched_at = self._asked_at = float("-inf")
        self._lock = threading.Lock()

    def key(self, kid: str, *, now: float | None = None) -> Any:
        """Return the key of this id, None when there is none. Raises IssuerUnreachable.

        `now` is monotonic, in seconds.
        """
        now = time.monotonic() if now is None else now
        if now - self._fetched_at > FRESH_SECONDS or kid not in self._keys:
            with self._lock:
                self._ask(now)
        if now - self._fetched_at > STALE_SECONDS:
            raise IssuerUnreachable
        return self._keys.get(kid)

    def _ask(self, now: float) -> None:
        if now - self._asked_at < PAUSE_SECONDS:
            return
        self._asked_at = now
        try:
            self._keys = _readable(_fetch(self._url), self._algorithm)
            self._fetched_at = now
        except (OSError, ValueError, HTTPException) as reason:
            log.warning("issuer's keys not fetched", host=urlsplit(self._url).hostname, reason=type(reason).__name__)


@lru_cache(maxsize=32)
def key_set(url: str, algorithm: str) -> KeySet:
    """Return the one key set of this process for a URL."""
    return KeySet(url, algorithm)


def _fetch(url: str) -> Any:
    parts = urlsplit(url)
    if parts.scheme != "https" or parts.hostname not in settings.JWKS_ALLOWED_HOSTS:
        raise ValueError("this host is not allowed")
    opener = urllib.request.build_opener(_NoRedirects)
    answer: IO[bytes]
    with opener.open(url, timeout=TIMEOUT_SECONDS) as answer:
        text = answer.read(LONGEST_BYTES + 1)
    if len(text) > LONGEST_BYTES:
        raise ValueError("the answer is too long")
    return json.loads(text)


def _readable(answer: Any, algorithm: str) -> dict[str, Any]:
    """Keep the keys that fit the issuer's one algorithm; an issuer may publish others for other uses."""
    if not isinstance(answer, dict) or not isinstance(answer.get("keys"), list):
        raise ValueError("the answer is no key set")
    found = {}
    for each in answer["keys"]:
        if not isinstance(each, dict) or not isinstance(kid := each.get("kid"), str):
            continue
        if each.get("use", "sig") != "sig" or each.get("alg", algorithm) != algorithm:
            continue
        try:
            key = jwt.PyJWK(each, algorithm).key
        except (jwt.PyJWTError, ValueError, TypeError):
            continue
        if FITS[algorithm](key):
            found[kid] = key
    return found
