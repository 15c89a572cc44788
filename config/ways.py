"""Two ways to the views: pages take the whole middleware, the API a short way.

Most of it serves pages: cookies and sessions, the token of forms, staff and their second factor, messages, files. To an
answer of the API it adds headers that are the same in each. They are asked of the same middleware once, and remembered.
"""

from __future__ import annotations

import threading
from collections.abc import Callable, ItemsView
from typing import Any

from corsheaders.middleware import CorsMiddleware
from django.conf import settings
from django.core.exceptions import DisallowedHost
from django.http import HttpRequest, HttpResponse
from django.http.response import ResponseHeaders
from django.middleware.clickjacking import XFrameOptionsMiddleware
from django.middleware.common import CommonMiddleware
from django.middleware.security import SecurityMiddleware
from django.utils.cache import patch_vary_headers

from config.api import limiting
from config.headers import ContentPolicy, harden
from config.requests import Handler

# Nothing here is a page; no path ends with a slash, so none is looked for with one.
SHORT = ("/api/v1/", "/ofrep/", "/payments/")
# What adds headers, from the views outwards, as in MIDDLEWARE.
ADDING: tuple[Callable[[Any], Any], ...] = (
    XFrameOptionsMiddleware,
    CommonMiddleware,
    ContentPolicy,
    CorsMiddleware,
    SecurityMiddleware,
    harden,
)
MOST_REMEMBERED = 64
LENGTH = "Content-Length"

# The chain is made from its end, in one thread: where the ways meet is known when the short one begins.
_meeting = threading.local()


def meet(get_response: Handler) -> Handler:
    """Mark the end of both ways, right in front of the views."""
    _meeting.views = get_response
    return get_response


class Fork:
    """Where the short way leaves the whole one."""

    def __init__(self, get_response: Handler):
        self._whole: Handler = get_response
        self._views: Handler = _meeting.views
        self._adding: Handler = _nothing
        for each in ADDING:
            self._adding = each(self._adding)
        self._hosts: set[str] = set()
        self._remembered: dict[tuple[str, bool, str | None], ResponseHeaders | None] = {}

    def __call__(self, request: HttpRequest) -> HttpResponse:
        """Answer by one of the two."""
        added = self._added(request) if request.path_info.startswith(SHORT) else None
        if added is None:
            return self._whole(request)
        response = self._views(request)
        response.headers = Headers(response, added)
        limiting.show(response, request)
        return response

    def _added(self, request: HttpRequest) -> ResponseHeaders | None:
        """Return the headers that are added to every answer; None for a request that must take the whole way."""
        if settings.DEBUG or request.META.get("HTTP_COOKIE") or request.method == "OPTIONS":
            return None
        if not self._is_known(request):
            return None
        key = request.path_info.split("/", 2)[1], request.is_secure(), request.META.get("HTTP_ORIGIN")
        if key not in self._remembered:
            if len(self._remembered) >= MOST_REMEMBERED:
                return None
            answer = self._adding(request)
            # Otherwise it is sent to https.
            self._remembered[key] = answer.headers if answer.status_code == 200 else None
        return self._remembered[key]

    def _is_known(self, request: HttpRequest) -> bool:
        host = None if "HTTP_X_FORWARDED_HOST" in request.META else request.META.get("HTTP_HOST")
        if host in self._hosts:
            return True
        try:
            request.get_host()
        except DisallowedHost:
            return False
        if host and len(self._hosts) < MOST_REMEMBERED:
            self._hosts.add(host)
        return True


def _nothing(_request: HttpRequest) -> HttpResponse:
    answer = HttpResponse()
    del answer["Content-Type"]
    return answer


class Headers(ResponseHeaders):
    """Those of an answer and those that are added to every one; what is known to be good is not looked at again."""

    def __init__(self, response: HttpResponse, added: ResponseHeaders):
        self._store = response.headers._store
        length = "" if response.streaming else str(len(response.content))
        if not self._store.keys().isdisjoint(added._store):
            self._add(response, added, length)
            return
        self._store = {**self._store, **added._store}
        if length:
            self._store[LENGTH.lower()] = LENGTH, length
        else:
            del self._store[LENGTH.lower()]

    def items(self) -> ItemsView[str, str]:
        """Return names and values, without looking each up."""
        return dict(self._store.values()).items()

    def _add(self, response: HttpResponse, added: ResponseHeaders, length: str) -> None:
        for name, value in added.items():
            if name == "Vary":
                patch_vary_headers(response, value.split(", "))
            elif name == "Cache-Control":
                self[name] = value
            elif name != LENGTH:
                self.setdefault(name, value)
            elif length:
                self.setdefault(name, length)
