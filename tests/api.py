"""A client of our API: a role, and a token signed as a product's backend signs it."""

from __future__ import annotations

import time
from typing import Any

import jwt
from django.conf import settings
from django.test import Client


def token(user_id: str = "anna", role: str | None = "user", **claims: Any) -> str:
    """Sign a token; a claim given as None is left out."""
    now = int(time.time())
    known = {
        "sub": user_id,
        "role": role,
        "iss": settings.JWT_ISSUER,
        "aud": settings.JWT_AUDIENCE,
        "iat": now,
        "exp": now + 300,
        **claims,
    }
    kept = {name: value for name, value in known.items() if value is not None}
    return jwt.encode(kept, settings.JWT_SECRET, algorithm="HS256")


def api(user_id: str = "anna", role: str = "user", **headers: str) -> Client:
    """Return a client that speaks for a user in a role."""
    return Client(headers={"Authorization": f"Bearer {token(user_id, role)}", **headers})


def places(answer: Any) -> list[str]:
    """Return the place that each error of a problem names: a pointer, a parameter or a header."""
    return [error.get("pointer") or error.get("parameter") or error["header"] for error in answer.json()["errors"]]
