"""Tokens that must not come in, by what is wrong with them."""

from __future__ import annotations

import base64
import hashlib
import hmac
import json
import time
from typing import Any

import jwt
from cryptography.hazmat.primitives.asymmetric import ec, ed25519, rsa
from django.conf import settings

from tests.api import token

HEADER = {"alg": "HS256", "typ": "JWT"}


def part(value: object) -> str:
    text = value if isinstance(value, bytes) else (value if isinstance(value, str) else json.dumps(value)).encode()
    return base64.urlsafe_b64encode(text).decode().rstrip("=")


def claims(**changed: Any) -> dict[str, Any]:
    now = int(time.time())
    good = {"sub": "anna", "role": "admin", "iss": settings.JWT_ISSUER, "aud": settings.JWT_AUDIENCE}
    return {**good, "iat": now, "exp": now + 300, **changed}


def signed(header: object, body: object) -> str:
    """Sign whatever it is with the real secret, so that nothing but the header or the claims is wrong."""
    text = f"{part(header)}.{part(body)}"
    return f"{text}.{part(hmac.new(settings.JWT_SECRET.encode(), text.encode(), hashlib.sha256).digest())}"


def misshapen() -> dict[str, str]:
    good = token()
    head, body, signature = good.split(".")
    return {
        "nonsense": "x.y.z",
        "one part": "x" * 40,
        "two parts": f"{head}.{body}",
        "four parts": f"{good}.{signature}",
        "five parts, as an encrypted token has": f"{good}.x.y",
        "no signature": f"{head}.{body}.",
        "no claims": f"{head}..{signature}",
        "no header": f".{body}.{signature}",
        "claims cut short": f"{head}.{body[:-4]}.{signature}",
        "signature cut short": good[:-4],
        "header that is a list": signed([HEADER], claims()),
        "claims that are a list": signed(HEADER, [claims()]),
        "claims that are text": signed(HEADER, '"anna"'),
        "claims that are not JSON": signed(HEADER, "anna"),
        "claims in another alphabet": f"{head}.++//.{signature}",
        "claims with a name twice": signed(HEADER, json.dumps(claims())[:-1] + ', "sub": "ben"}'),
        "claims with NaN": signed(HEADER, json.dumps(claims(x=float("nan")))),
        "claims that are no UTF-8": signed(HEADER, b"\xff\xfe{}"),
        "claims nested too deep": signed(HEADER, "[" * 3000),
        "longer than 8 KiB": token(padding="x" * 9000),
        "space inside": f"{head}. {body}.{signature}",
    }


def wrongly_signed() -> dict[str, str]:
    head, body, _ = token().split(".")
    keys = rsa.generate_private_key(65537, 2048), ec.generate_private_key(ec.SECP256R1()), ed25519.Ed25519PrivateKey
    return {
        "another secret": jwt.encode(claims(), "another-secret-of-more-than-32-bytes", "HS256"),
        "a signature of nothing": f"{head}.{body}.AA",
        "another's claims under this signature": f"{head}.{part(claims(sub='ben'))}.{token().split('.')[2]}",
        "alg none": f"{part({'alg': 'none', 'typ': 'JWT'})}.{part(claims())}.",
        "alg None": f"{part({'alg': 'None'})}.{part(claims())}.AA",
        "alg none with a good signature": signed({"alg": "none"}, claims()),
        "alg in small letters": signed({"alg": "hs256"}, claims()),
        "no alg": signed({"typ": "JWT"}, claims()),
        "alg that is a list": signed({"alg": ["HS256"]}, claims()),
        "HS384": jwt.encode(claims(), settings.JWT_SECRET * 2, "HS384"),
        "HS512": jwt.encode(claims(), settings.JWT_SECRET * 2, "HS512"),
        "RS256": jwt.encode(claims(), keys[0], "RS256"),
        "ES256": jwt.encode(claims(), keys[1], "ES256"),
        "EdDSA": jwt.encode(claims(), keys[2].generate(), "EdDSA"),
    }


def bad_headers() -> dict[str, str]:
    naming = {
        "jku": "https://evil.example/keys",
        "x5u": "https://evil.example/cert",
        "jwk": {"kty": "oct", "k": part("x" * 32)},
        "x5c": ["AAAA"],
        "crit": ["exp"],
        "b64": False,
        "zip": "DEF",
    }
    return {
        **{f"header with {name}": signed({**HEADER, name: value}, claims()) for name, value in naming.items()},
        "another typ": signed({**HEADER, "typ": "logout+jwt"}, claims()),
    }


def bad_claims() -> dict[str, str]:
    now = int(time.time())
    changed: dict[str, dict[str, Any]] = {
        "expired": {"iat": now - 400, "exp": now - 60},
        "exp that is text": {"exp": str(now + 300)},
        "exp that is true": {"exp": True},
        "exp past all time": {"exp": 10**30},
        "exp before iat": {"iat": now + 20, "exp": now + 10},
        "life of an hour": {"exp": now + 3600},
        "a service's life of ten minutes": {"role": "service", "exp": now + 600},
        "issued in an hour": {"iat": now + 3600, "exp": now + 3900},
        "iat that is text": {"iat": "yesterday"},
        "not yet": {"nbf": now + 3600},
        "other aud": {"aud": "elsewhere"},
        "empty aud": {"aud": []},
        "other iss": {"iss": "elsewhere"},
        "iss that is a list": {"iss": [settings.JWT_ISSUER]},
        "empty sub": {"sub": ""},
        "sub that is a number": {"sub": 42},
        "long sub": {"sub": "x" * 256},
        "sub with NUL": {"sub": "anna\x00"},
        "sub with half a character": {"sub": "\ud800"},
        "sub with the other half inside": {"sub": "an\udfffna"},
        "sub with two halves in the wrong order": {"sub": "\udc00\ud800"},
        "role with half a character": {"role": "admin\ud800"},
        "unknown role": {"role": "root"},
        "anonymous role": {"role": "anonymous"},
        "role that is a list": {"role": ["admin"]},
        "a service's scope that is a list": {"role": "service", "scope": ["admin"]},
    }
    missing = {
        f"no {name}": signed(HEADER, {n: v for n, v in claims().items() if n != name})
        for name in ("exp", "iat", "sub", "aud", "iss")
    }
    return {**{name: signed(HEADER, claims(**change)) for name, change in changed.items()}, **missing}


def bad_service_keys() -> dict[str, str]:
    return {
        "a service key of a prefix alone": "fbk_0123456789ab",
        "a service key that is short": "fbk_0123456789ab_abc",
        "a service key in capitals": f"fbk_0123456789AB_{'A' * 64}",
        "a service key that goes on": f"fbk_0123456789ab_{'a' * 65}",
    }


def all_of_them() -> dict[str, str]:
    """Make them now, for most name a time."""
    return misshapen() | wrongly_signed() | bad_headers() | bad_claims() | bad_service_keys()
