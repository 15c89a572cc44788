"""What the fast lanes for one POST have in common: who asks, how often he may, and the headers learned from Django."""

from __future__ import annotations

import time
from abc import ABC, abstractmethod
from collections.abc import Iterable
from io import BytesIO
from typing import TYPE_CHECKING

from config import metrics
from config.api import limiting
from config.api.leases import told
from config.lane_callers import Caller, Callers, is_plain_post
from config.lane_layouts import Headers, Layout, Layouts

if TYPE_CHECKING:
    from _typeshed.wsgi import StartResponse, WSGIApplication, WSGIEnvironment


class PostLane(ABC):
    """One lane; what it remembers is bounded, and is forgotten with the process. A kind of it says where it stands."""

    path: str
    operation: str
    status: str
    longest: int

    def __init__(self, django: WSGIApplication):
        self._django = django
        self._callers = Callers({"POST": self.operation})
        self._layouts = Layouts(self.status)
        route, code = self.path[1:], int(self.status[:3])
        self._tally = metrics.Tally(
            [metrics.REQUESTS.labels("POST", route, code)], [metrics.SECONDS.labels("POST", route)]
        )

    def __call__(self, environ: WSGIEnvironment, start_response: StartResponse) -> Iterable[bytes]:
        """Answer, or let Django answer."""
        if environ["PATH_INFO"] != self.path or not is_plain_post(environ, self.longest):
            return self._django(environ, start_response)
        started, caller = time.monotonic(), self._callers.of(environ.get("HTTP_AUTHORIZATION", ""))
        if caller is None or caller.reaches["POST"] is None:
            return self._django(environ, start_response)
        place = tuple(environ.get(name) for name in ("HTTP_HOST", "wsgi.url_scheme", "HTTP_X_FORWARDED_PROTO"))
        layout = self._layouts.get((*place, caller.policy))
        if layout is None:
            return self._django(environ, self._layouts.learning(start_response, (*place, caller.policy)))
        answer = self._counted(environ, caller, layout, started)
        if answer is None:
            return self._django(environ, start_response)
        start_response(self.status, answer[0])
        self._tally.note(started, time.monotonic())
        return [answer[1]]

    @abstractmethod
    def _text(self, body: bytes, caller: Caller, started: float) -> bytes | None:
        """Return the answer to a body that came at `started` (`time.monotonic()`); None: Django is to answer."""

    def _counted(
        self, environ: WSGIEnvironment, caller: Caller, layout: Layout, started: float
    ) -> tuple[Headers, bytes] | None:
        limit = ""
        if layout.counts != (caller.lease is not None):
            return None
        if caller.lease is not None:
            # Before the work; and once, whoever answers.
            environ[limiting.COUNTED] = spent = caller.lease.spend()
            if not spent.allowed:
                return None
            limit = told(spent.policy, spent.remaining, spent.reset)
        body = environ["wsgi.input"].read(int(environ["CONTENT_LENGTH"]))
        # Whoever answers may read it again.
        environ["wsgi.input"] = BytesIO(body)
        text = self._text(body, caller, started)
        return None if text is None else (layout.headers(len(text), environ.get("HTTP_X_REQUEST_ID"), limit), text)
