"""What every operation stands on: DRF's view, with what is the same for each request made once."""

from __future__ import annotations

from collections.abc import Sequence
from functools import cache
from typing import Any, NamedTuple

from django.http import HttpRequest
from rest_framework.request import Request
from rest_framework.views import APIView


class Door(APIView):
    """A view whose parts are the same for all who come in: none of them keeps anything of a request."""

    def initialize_request(self, request: HttpRequest, *args: Any, **kwargs: Any) -> Request:
        """Return DRF's request, of which everybody asks the method."""
        asked = super().initialize_request(request, *args, **kwargs)
        asked.method = request.method
        return asked

    def initial(self, request: Request, *args: Any, **kwargs: Any) -> None:
        """Judge who comes in, as DRF does; there are no versions, and an only renderer is the one."""
        self.format_kwarg = None
        request.accepted_renderer, request.accepted_media_type = self.perform_content_negotiation(request)
        # A fault in it rises as it is: nothing takes it for a name that the request does not have.
        request._authenticate()  # type: ignore[attr-defined]
        self.check_permissions(request)
        self.check_throttles(request)

    def perform_content_negotiation(self, request: Request, force: bool = False) -> tuple[Any, str]:
        """Return the only renderer, or let DRF choose among several."""
        parts = self._parts
        if len(parts.renderers) == 1:
            return parts.renderers[0], parts.renderers[0].media_type
        return super().perform_content_negotiation(request, force)

    @property
    def _parts(self) -> Parts:
        kind: Any = type(self)
        return _made(kind)

    def get_renderers(self) -> Any:
        """Return those of the class."""
        return self._parts.renderers

    def get_parsers(self) -> Any:
        """Return those of the class."""
        return self._parts.parsers

    def get_authenticators(self) -> Any:
        """Return those of the class."""
        return self._parts.authenticators

    def get_permissions(self) -> Any:
        """Return those of the class."""
        return self._parts.permissions

    def get_content_negotiator(self) -> Any:
        """Return that of the class."""
        return self._parts.negotiator

    @property
    def default_response_headers(self) -> dict[str, str]:
        """Name the methods."""
        return self._parts.headers.copy()


class Parts(NamedTuple):
    """What a class of views has one of each."""

    renderers: Sequence[Any]
    parsers: Sequence[Any]
    authenticators: Sequence[Any]
    permissions: Sequence[Any]
    negotiator: Any
    headers: dict[str, str]


@cache
def _made(door: Any) -> Parts:
    view: APIView = door()
    # HEAD is GET's, and named when a view is set up.
    view.setup(HttpRequest())
    return Parts(
        APIView.get_renderers(view),
        APIView.get_parsers(view),
        APIView.get_authenticators(view),
        APIView.get_permissions(view),
        door.content_negotiation_class(),
        APIView.default_response_headers.fget(view),  # type: ignore[attr-defined]
    )
