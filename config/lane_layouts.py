"""The headers of a lane's answers, learned from Django's own."""

from __future__ import annotations

from collections.abc import Callable
from typing import TYPE_CHECKING, Any

from config.requests import id_of, numbered

if TYPE_CHECKING:
    from _typeshed.wsgi import StartResponse

Headers = list[tuple[str, str]]
MOST_LEARNED, MOST_LENGTHS, REPLAYED = 64, 2048, "idempotent-replayed"


class Layout:
    """The headers of one kind of answer, and the places of those that are of one answer alone."""

    __slots__ = ("_headers", "_length", "_limit", "_request_id", "counts")

    def __init__(self, headers: Headers):
        names = _names(headers)
        self._headers = headers
        self._length, self._request_id = names.index("content-length"), names.index("x-request-id")
        self.counts = "ratelimit" in names
        self._limit = names.index("ratelimit") if self.counts else 0

    def headers(self, length: int, asked_id: str | None, limit: str = "") -> Headers:
        """Write them for one answer: its length in bytes, the id that was asked for, the rest of the quota."""
        headers = self._headers.copy()
        if limit:
            headers[self._limit] = "RateLimit", limit
        headers[self._length] = LENGTHS[length] if length < MOST_LENGTHS else _length(length)
        headers[self._request_id] = "X-Request-Id", id_of(asked_id) if asked_id else numbered()
        return headers


class Layouts:
    """Those of one lane, by what they depend on. It learns from answers with one status, unless it was told before."""

    def __init__(self, status: str):
        self._status = status
        self._learned: dict[tuple[Any, ...], Layout] = {}
        # Returns what was learned for a place.
        self.get = self._learned.get

    def learning(self, start_response: StartResponse, place: tuple[Any, ...]) -> StartResponse:
        """Return a `start_response` that learns from what Django says."""

        def start(status: str, headers: Headers, *rest: Any) -> Callable[[bytes], object]:
            if status.startswith(self._status) and len(self._learned) < MOST_LEARNED and _is_plain(headers):
                self._learned[place] = Layout(list(headers))
            return start_response(status, headers, *rest)

        return start


def _length(length: int) -> tuple[str, str]:
    return "Content-Length", str(length)


LENGTHS = [_length(each) for each in range(MOST_LENGTHS)]


def _names(headers: Headers) -> list[str]:
    return [name.lower() for name, _ in headers]


def _is_plain(headers: Headers) -> bool:
    return {"content-length", "x-request-id"} <= (names := set(_names(headers))) and REPLAYED not in names
