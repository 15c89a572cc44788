"""Every error that leaves is a problem (RFC 9457): type, title, status, detail, code, errors[], request_id."""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from http import HTTPStatus
from typing import Any

from rest_framework.response import Response

from config.api.parsing import escaped
from events import context

MEDIA_TYPE = "application/problem+json"


def problem(
    status: int,
    code: str,
    detail: str,
    *,
    errors: list[dict[str, str]] | None = None,
    headers: Mapping[str, str] | None = None,
    members: Mapping[str, Any] | None = None,
) -> Response:
    """Make the answer. `errors` name each field that is wrong: `{pointer | parameter | header, code, detail}`.

    `members` say more of this kind of problem (RFC 9457, 3.2).
    """
    shown: dict[str, Any] = {
        "type": f"/problems/{code}",
        "title": HTTPStatus(status).phrase,
        "status": status,
        "detail": detail,
        "code": code,
        "request_id": context.request_id.get(),
        **(members or {}),
    }
    if errors:
        shown["errors"] = errors
    response = Response(shown, status=status, headers=dict(headers or {}))
    response.content_type = MEDIA_TYPE
    return response


def field_errors(detail: Any, pointer: str = "#") -> Iterator[dict[str, str]]:
    """Flatten DRF's nested error detail: a JSON pointer (RFC 6901) to each field, and why it is wrong."""
    if isinstance(detail, Mapping):
        for name, inner in detail.items():
            yield from field_errors(inner, pointer if name == "non_field_errors" else f"{pointer}/{escaped(str(name))}")
    elif isinstance(detail, list):
        for index, inner in enumerate(detail):
            nested = isinstance(inner, Mapping | list)
            yield from field_errors(inner, f"{pointer}/{index}" if nested else pointer)
    else:
        yield {"pointer": pointer, "code": getattr(detail, "code", "invalid"), "detail": str(detail)}


def renamed(errors: Iterator[dict[str, str]], place: str) -> Iterator[dict[str, str]]:
    """Name each place by `place`, `parameter` or `header`, in the stead of a pointer into the body."""
    for error in errors:
        name = error.pop("pointer").removeprefix("#/").replace("~1", "/").replace("~0", "~")
        yield {place: name, **error}
