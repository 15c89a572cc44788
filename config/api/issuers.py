"""Whose tokens are believed: one algorithm and one kind of key for each issuer, by configuration."""

from __future__ import annotations

from collections.abc import Callable, Iterator, Mapping
from copy import deepcopy
from dataclasses import dataclass
from typing import Any
from urllib.parse import urlsplit

from cryptography.hazmat.primitives.asymmetric import ec, ed25519, rsa
from cryptography.hazmat.primitives.serialization import load_pem_public_key
from django.conf import settings

SYMMETRIC = ("HS256", "HS384", "HS512")
ASYMMETRIC = ("RS256", "ES256", "EdDSA")
SHORTEST_SECRET_BYTES, SHORTEST_RSA_BITS = 32, 2048
KEYS = ("secret", "public_key", "jwks_url")
KNOWN = {"algorithm", "audience", "services", *KEYS}


@dataclass(frozen=True, slots=True)
class Issuer:
    """One who signs tokens. Exactly one of `secret`, `public_key` and `jwks_url` is set.

    `services` says whether it may name services beside users.
    """

    name: str
    algorithm: str
    audience: str
    secret: str = ""
    public_key: str = ""
    jwks_url: str = ""
    services: bool = False

    def wrong(self) -> Iterator[str]:
        """Say what must be mended before this issuer is believed; its key is never in the sentence."""
        if not self.name or not self.audience:
            yield "an issuer and its audience must be named"
        given = [name for name in KEYS if getattr(self, name)]
        if self.algorithm not in (*SYMMETRIC, *ASYMMETRIC):
            yield f"algorithm {self.algorithm} is not accepted"
        elif not given:
            wanted = "a secret" if self.algorithm in SYMMETRIC else "a public key or a JWKS URL"
            yield f"{self.algorithm} needs {wanted}"
        elif len(given) > 1:
            yield f"{' and '.join(given)} are set: keep one"
        elif (self.algorithm in SYMMETRIC) != (given == ["secret"]):
            yield f"{self.algorithm} does not go with a {given[0]}"
        else:
            yield from self._key_wrong(given[0])

    def _key_wrong(self, given: str) -> Iterator[str]:
        if given == "secret" and len(self.secret.encode()) < SHORTEST_SECRET_BYTES:
            yield f"the secret has fewer than {SHORTEST_SECRET_BYTES} bytes"
        if given == "public_key":
            yield from _pem_wrong(self.public_key, self.algorithm)
        if given == "jwks_url":
            yield from _url_wrong(self.jwks_url)


FITS: Mapping[str, Callable[[object], bool]] = {
    "RS256": lambda key: isinstance(key, rsa.RSAPublicKey) and key.key_size >= SHORTEST_RSA_BITS,
    "ES256": lambda key: isinstance(key, ec.EllipticCurvePublicKey) and isinstance(key.curve, ec.SECP256R1),
    "EdDSA": lambda key: isinstance(key, ed25519.Ed25519PublicKey),
}


def _pem_wrong(pem: str, algorithm: str) -> Iterator[str]:
    try:
        key = load_pem_public_key(pem.encode())
    except (ValueError, TypeError):
        yield "the public key is no PEM of a public key"
        return
    if not FITS[algorithm](key):
        yield f"the public key is none for {algorithm} (RSA of {SHORTEST_RSA_BITS} bits, P-256 or Ed25519)"


def _url_wrong(url: str) -> Iterator[str]:
    parts = urlsplit(url)
    if parts.scheme != "https" or parts.username is not None or not parts.hostname:
        yield "the JWKS URL must be https, without a user"
    elif parts.hostname not in settings.JWKS_ALLOWED_HOSTS:
        yield f"{parts.hostname} is not in JWKS_ALLOWED_HOSTS"


_read: tuple[tuple[Any, ...], tuple[Issuer, ...]] | None = None


def configured() -> tuple[Issuer, ...]:
    """Return the issuers of JWT_ISSUERS, and the one of the short form when its key is given (or nothing else is).

    The same ones as long as the settings are the same. Raises ValueError when JWT_ISSUERS cannot be read.
    """
    global _read
    said = (
        settings.JWT_ISSUERS,
        settings.JWT_ISSUER,
        settings.JWT_ALGORITHM,
        settings.JWT_AUDIENCE,
        settings.JWT_SECRET,
        settings.AUTH_PUBLIC_KEY,
    )
    read = _read
    if read is None or read[0] != said:
        _read = read = deepcopy(said), _issuers(*said)
    return read[1]


def _issuers(
    named: Mapping[str, Any], name: str, algorithm: str, audience: str, secret: str, public_key: str
) -> tuple[Issuer, ...]:
    hidden = algorithm.startswith("HS")
    short = Issuer(
        name=name,
        algorithm=algorithm,
        audience=audience,
        secret=secret if hidden else "",
        public_key="" if hidden else public_key,
        services=True,
    )
    found = [_issuer(name, given) for name, given in named.items()]
    if not found or short.secret or short.public_key:
        found.append(short)
    names = [issuer.name for issuer in found]
    if len(set(names)) != len(names):
        raise ValueError("JWT_ISSUERS and JWT_ISSUER name one issuer twice.")
    return tuple(found)


def _issuer(name: str, given: Any) -> Issuer:
    if not isinstance(given, dict) or set(given) - KNOWN:
        raise ValueError(f"JWT_ISSUERS: {name} may have {', '.join(sorted(KNOWN))} and nothing else.")
    services = given.get("services", False)
    words = {key: value for key, value in given.items() if key != "services"}
    if not isinstance(services, bool) or not all(isinstance(value, str) for value in words.values()):
        raise ValueError(f"JWT_ISSUERS: {name} has a value of the wrong type.")
    if not {"algorithm", "audience"} <= set(words):
        raise ValueError(f"JWT_ISSUERS: {name} must have algorithm and audience.")
    return Issuer(name=name, services=services, **words)
