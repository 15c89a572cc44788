"""What every answer tells a browser: load nothing else, be framed by nobody, keep nothing."""

from __future__ import annotations

from typing import Any

from csp.constants import NONE, SELF, UNSAFE_EVAL, UNSAFE_INLINE
from csp.middleware import CSPMiddleware, PolicyParts
from django.conf import settings
from django.http import HttpRequest, HttpResponse

from config.api import limiting
from config.requests import Handler

Directives = dict[str, list[str]]
CLOSED: Directives = {name: [NONE] for name in ("default-src", "frame-ancestors", "base-uri", "form-action")}
OPEN: Directives = {**CLOSED, "default-src": [SELF], "form-action": [SELF], "object-src": [NONE]}
STYLED: Directives = {"style-src": [SELF, UNSAFE_INLINE], "img-src": [SELF, "data:"]}
# The first beginning that fits. Alpine in the back office evaluates its attributes; it and Swagger UI style elements.
POLICIES: tuple[tuple[str, Directives], ...] = (
    ("/admin/", {**OPEN, **STYLED, "script-src": [SELF, UNSAFE_EVAL]}),
    ("/api/docs", {**OPEN, **STYLED}),
    ("/api/", CLOSED),
    ("/payments", CLOSED),
    ("/ofrep/", CLOSED),
    ("/static/", CLOSED),
    ("/", OPEN),
)
# Sensors, cameras, payment sheets: the pages use none of it.
FEATURES = (
    "accelerometer",
    "camera",
    "display-capture",
    "geolocation",
    "gyroscope",
    "magnetometer",
    "microphone",
    "midi",
    "payment",
    "usb",
)
HEADERS = {
    # In the stead of the server's own name, which tells an attacker what to look for.
    "Server": "farebox",
    "Cross-Origin-Resource-Policy": "same-origin",
    "Permissions-Policy": ", ".join(f"{feature}=()" for feature in FEATURES),
}


class ContentPolicy(CSPMiddleware):
    """The policy of the path."""

    def get_policy_parts(
        self, request: HttpRequest, response: Any, report_only: bool = False, **kwargs: Any
    ) -> PolicyParts:
        """Return the directives of the first path that fits."""
        parts = super().get_policy_parts(request, response, report_only, **kwargs)
        if not report_only:
            parts.config = next(policy for beginning, policy in POLICIES if request.path_info.startswith(beginning))
        return parts


def harden(get_response: Handler) -> Handler:
    """Add what Django's own middleware does not: no caching of answers, resource and feature policies, the quota."""

    def middleware(request: HttpRequest) -> HttpResponse:
        response = get_response(request)
        for name, value in HEADERS.items():
            response.setdefault(name, value)
        if not request.path_info.startswith(settings.STATIC_URL):
            # Also over what a view says: an answer is for the one who asked, and about now.
            response["Cache-Control"] = "no-store"
        limiting.show(response, request)
        return response

    return middleware
