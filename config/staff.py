"""The door of the back office: its own host, a second factor, and an end to every session.

The guard stands before every page under /admin/, so that no page can be forgotten.
"""

from __future__ import annotations

import time
from urllib.parse import quote

import structlog
from django.conf import settings
from django.contrib.auth import logout
from django.http import Http404, HttpRequest, HttpResponse, HttpResponseRedirect
from django.urls import reverse

from config.requests import Handler
from events import context

PREFIX = "/admin/"
BEGAN = "began"
LONGEST_SECONDS = 8 * 3600
# What one with a password alone may see: the way in and the way out.
OPEN = ("admin:login", "admin:logout", "second-factor")

log = structlog.get_logger("farebox.staff")


def guard(get_response: Handler) -> Handler:
    """Let nobody past the login without a second factor, nor longer than eight hours, nor idle for fifteen minutes."""

    def middleware(request: HttpRequest) -> HttpResponse:
        if not f"{request.path_info}/".startswith(PREFIX):
            return get_response(request)
        if settings.ADMIN_HOST and _host(request) != settings.ADMIN_HOST.lower():
            raise Http404
        return _turned_away(request) or get_response(request)

    return middleware


def is_verified(request: HttpRequest) -> bool:
    """Say whether this session has shown its second factor."""
    return bool(request.user.is_verified())  # type: ignore[union-attr]


def _turned_away(request: HttpRequest) -> HttpResponse | None:
    user = request.user
    if not user.is_authenticated:
        return None
    began = request.session.setdefault(BEGAN, time.time())
    if time.time() - began > LONGEST_SECONDS:
        logout(request)
        return HttpResponseRedirect(reverse("admin:login"))
    # Saving it starts the idle time anew, in the table and in the cookie.
    request.session.modified = True
    context.actor.set(f"staff:{user.get_username()}")
    if is_verified(request) or request.path_info in {reverse(name) for name in OPEN}:
        return None
    return HttpResponseRedirect(f"{reverse('second-factor')}?next={quote(request.get_full_path())}")


def _host(request: HttpRequest) -> str:
    host = request.get_host().lower()
    return host if host.endswith("]") else host.rpartition(":")[0] or host
