"""A caller of Farebox's API, with a token of one role."""

from __future__ import annotations

import secrets
import time
from typing import Any

import httpx
import jwt

from proof.settings import Settings

# As long as Farebox lets a user's token live; a service's lives a third of it.
TOKEN_SECONDS, SERVICE_TOKEN_SECONDS = 900, 300
PATIENCE = httpx.Timeout(30, connect=5)


class Refused(Exception):
    """Farebox answered with an error that the proof did not expect."""

    def __init__(self, response: httpx.Response):
        asked = f"{response.request.method} {response.request.url.path}"
        super().__init__(f"{asked} answered {response.status_code}: {response.text[:600]}")
        self.status = response.status_code


class Client:
    """One principal: `sub` and `role` are in its token (HS256, as `manage.py token` makes it)."""

    def __init__(self, settings: Settings, *, sub: str, role: str):
        self._settings, self._sub, self._role = settings, sub, role
        # Farebox is on this machine, or named by --url: a proxy of the environment does not know it.
        self._http = httpx.Client(base_url=settings.url, auth=self._signed, timeout=PATIENCE, trust_env=False)

    def get(self, path: str, **query: Any) -> Any:
        """Return the JSON of an answer. Raises Refused."""
        return self._answered(self._http.get(f"/api/v1/{path}", params=query)).json()

    def post(self, path: str, body: dict[str, Any], *, key: str | None = None) -> httpx.Response:
        """Post, with an Idempotency-Key where the route makes something. Raises Refused."""
        headers = {"Idempotency-Key": key} if key else {}
        return self._answered(self._http.post(f"/api/v1/{path}", json=body, headers=headers))

    def delete(self, path: str) -> Any:
        """Delete, and return the JSON of the answer. Raises Refused."""
        return self._answered(self._http.delete(f"/api/v1/{path}")).json()

    def pages(self, path: str, **query: Any) -> list[Any]:
        """Return every row of a list, page by page, newest first."""
        rows: list[Any] = []
        more: dict[str, Any] = {}
        while True:
            page = self.get(path, limit=100, **query, **more)
            rows += page["data"]
            if not page["has_more"]:
                return rows
            more = {"starting_after": page["next_cursor"]}

    def _signed(self, request: httpx.Request) -> httpx.Request:
        # Anew for each request: a proof may run for longer than a token lives.
        request.headers["Authorization"] = f"Bearer {self._token()}"
        return request

    def _token(self) -> str:
        now, settings = int(time.time()), self._settings
        claims = {
            "iss": settings.jwt_issuer,
            "aud": settings.jwt_audience,
            "sub": self._sub,
            "role": self._role,
            "iat": now,
            "exp": now + (SERVICE_TOKEN_SECONDS if self._role == "service" else TOKEN_SECONDS),
        }
        return jwt.encode(claims, settings.jwt_secret, "HS256")

    @staticmethod
    def _answered(response: httpx.Response) -> httpx.Response:
        if response.is_error:
            raise Refused(response)
        return response


def new_key() -> str:
    """Make an Idempotency-Key."""
    return f"proof-{secrets.token_hex(8)}"
