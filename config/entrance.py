"""Django's entrance for the API: the same chain and the same views, without what Django does for every kind of page.

Its signals of a request end in three looks at each connection and in the names of URLs that it has itself noted; a path
without ids is matched by the routes once; a query of plain letters is split without being decoded.
"""

from __future__ import annotations

import re
from collections.abc import Iterable
from typing import TYPE_CHECKING, Any

from django.core.handlers.wsgi import WSGIHandler, WSGIRequest, get_script_name
from django.db import connections
from django.http import HttpRequest, HttpResponse, QueryDict
from django.middleware.csrf import CsrfViewMiddleware
from django.urls import ResolverMatch, set_script_prefix
from django.utils.functional import cached_property
from django.utils.log import log_response

from config.api.doors import Door
from config.requests import Handler
from config.ways import SHORT

if TYPE_CHECKING:
    from _typeshed.wsgi import StartResponse, WSGIEnvironment

# Nothing in it is written as something else, and no reader of queries can take it for more than it is.
LETTERS = r"[A-Za-z0-9_.~:@/-]"
PLAIN = re.compile(rf"{LETTERS}+={LETTERS}*(?:&{LETTERS}+={LETTERS}*){{0,30}}")


class Asked(WSGIRequest):
    """Django's request."""

    _encoding: str | None

    @cached_property
    def GET(self) -> QueryDict:  # type: ignore[override]
        """Return what stands in the query."""
        said = self.environ.get("QUERY_STRING", "")
        if self._encoding is None and PLAIN.fullmatch(said):
            return split(said)
        return WSGIRequest.GET.func(self)  # type: ignore[attr-defined,no-any-return]


def split(query: str) -> QueryDict:
    """Read a query that is PLAIN, as Django does."""
    found = QueryDict.__new__(QueryDict)
    found.encoding = "utf-8"
    for pair in query.split("&"):
        name, _, value = pair.partition("=")
        dict.setdefault(found, name, []).append(value)  # type: ignore[misc]
    found._mutable = False
    return found


class Entrance(WSGIHandler):
    """Django's own, with a short way to the API's views."""

    request_class = Asked
    _view_middleware: list[Any]
    _exception_middleware: list[Any]
    _template_response_middleware: list[Any]
    _middleware_chain: Handler

    def __init__(self) -> None:
        super().__init__()
        self._found: dict[str, ResolverMatch] = {}
        # What looks at a view or its fault looks at those of the API too; they are exempt from the token of forms.
        looking = [each for each in self._view_middleware if not isinstance(each.__self__, CsrfViewMiddleware)]
        self._looked_at = bool(looking or self._exception_middleware or self._template_response_middleware)

    def __call__(self, environ: WSGIEnvironment, start_response: StartResponse) -> Iterable[bytes]:  # type: ignore[override]
        """Answer a request."""
        if not environ["PATH_INFO"].startswith(SHORT):
            return super().__call__(environ, start_response)
        set_script_prefix(get_script_name(environ))
        for connection in connections.all(initialized_only=True):
            connection.queries_log.clear()
            connection.close_if_unusable_or_obsolete()
        request = self.request_class(environ)
        response: Any = self._middleware_chain(request)
        if response.status_code >= 400:
            log_response("%s: %s", response.reason_phrase, request.path, response=response, request=request)
        start_response(f"{response.status_code} {response.reason_phrase}", _headers(response))
        if response.streaming:
            response._handler_class = type(self)
            response._resource_closers.append(request.close)
            return response  # type: ignore[no-any-return]
        request.close()
        for connection in connections.all(initialized_only=True):
            connection.close_if_unusable_or_obsolete()
        return [response.content]

    def resolve_request(self, request: HttpRequest) -> ResolverMatch:
        """Find the view of a path."""
        match = self._found.get(request.path_info)
        if match is None:
            match = super().resolve_request(request)
            # Only a route without ids is written as the path that it matches.
            if match.route == request.path_info[1:]:
                self._found[request.path_info] = match
        request.resolver_match = match
        return match

    def _get_response(self, request: HttpRequest) -> HttpResponse:
        match = self.resolve_request(request)
        door = getattr(match.func, "cls", None)
        if door is None or not issubclass(door, Door) or self._looked_at:
            return super()._get_response(request)  # type: ignore[misc,no-any-return]
        response: Any = match.func(request, *match.args, **match.kwargs)
        return response.render() if hasattr(response, "render") else response  # type: ignore[no-any-return]


def _headers(response: HttpResponse) -> list[tuple[str, str]]:
    cookies = [("Set-Cookie", cookie.output(header="")) for cookie in response.cookies.values()]
    return [*response.items(), *cookies]
