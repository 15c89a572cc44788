"""What a server makes of a request, for whoever asks a WSGI application without one."""

from __future__ import annotations

from io import BytesIO
from typing import Any


def environ(method: str, path: str, body: bytes, **more: Any) -> dict[str, Any]:
    """Return the environ of a request by plain HTTP from this machine; `more` takes the place of what is the same."""
    return {
        "REQUEST_METHOD": method,
        "PATH_INFO": path.encode().decode("latin-1"),
        "SCRIPT_NAME": "",
        "QUERY_STRING": "",
        "SERVER_NAME": "localhost",
        "SERVER_PORT": "80",
        "SERVER_PROTOCOL": "HTTP/1.1",
        "HTTP_HOST": "localhost",
        "REMOTE_ADDR": "127.0.0.1",
        "CONTENT_TYPE": "application/json",
        "CONTENT_LENGTH": str(len(body)),
        "wsgi.url_scheme": "http",
        "wsgi.input": BytesIO(body),
        "wsgi.errors": BytesIO(),
        **more,
    }
