"""One API request and its answer: key, fault, parameters, idempotency, work, reply."""

import logging
import os
from typing import Any
from urllib.parse import parse_qsl

from werkzeug import Request, Response

from sandbox import API_VERSION, access, errors, events, expand, faults, forms, params, rendering
from sandbox.answers import json_response
from sandbox.engine import Engine
from sandbox.routes import Call, Route
from sandbox.store import Obj

# Faults after which the client hears nothing.
SILENT = {"drop_reply", "drop_before", "hang"}

# Tests hold every answer against Stripe's typed classes.
CHECKED_SHAPES = os.environ.get("SANDBOX_CHECK_SHAPES") == "1"

log = logging.getLogger("sandbox")


class Exchange:
    """The state of one request while it is answered."""

    def __init__(self, engine: Engine, request: Request, endpoint: Route | None, path: dict[str, str]) -> None:
        self.engine, self.store = engine, engine.store
        self.request, self.endpoint, self.path = request, endpoint, path
        self.request_id = f"req_{self.store.token(14, series='requests')}"
        self.key = (request.headers.get("Idempotency-Key") or None) if request.method == "POST" else None
        self.raw: dict[str, Any] = {}
        self.fault: str | None = None
        self.replayed = False

    def answer(self) -> Response:
        """Do the work, or fail as asked, and note the request."""
        method, path = self.request.method, self.request.path
        try:
            self.raw = forms.decoded(self._pairs())
            self.fault = self.engine.faults.take(method, path, self.request.headers.get("Sandbox-Fault"))
            status, body = self._faulty(self.fault) if self.fault else self._worked()
        except errors.StripeError as error:
            status, body = error.status, error.body(self.request_id)
        self.engine.requests.add(
            method=method,
            path=path,
            params=self.raw,
            status=status,
            idempotency_key=self.key,
            request_id=self.request_id,
            replayed=self.replayed,
            fault=self.fault,
        )
        return json_response(status, body, self._headers())

    def cut(self) -> None:
        """Close the connection without a reply, where the fault says so."""
        if self.fault in SILENT:
            faults.cut(self.request.environ["werkzeug.socket"])

    def _faulty(self, fault: str) -> tuple[int, Obj]:
        if fault == "drop_reply":
            return self._worked()
        if fault == "hang":
            faults.hang(self.request.environ["werkzeug.socket"])
        error = faults.failure(fault)
        if error is None:
            return 503, {}
        return self._worked(instead=error) if error.stored else (error.status, error.body(self.request_id))

    def _worked(self, instead: errors.StripeError | None = None) -> tuple[int, Obj]:
        access.authenticate(self.request.headers)
        if self.endpoint is None:
            raise errors.not_found(self.request.method, self.request.path)
        checked = params.validate(self.endpoint.params, self.raw)
        if self.key is None:
            return self._ran(self.endpoint, checked, instead)
        known = self.engine.keys.begin(self.key, self.request.path, self.raw)
        if known is not None:
            self.replayed = True
            return known["status"], known["body"]
        try:
            return self._ran(self.endpoint, checked, instead)
        finally:
            self.engine.keys.end(self.key)

    def _ran(self, endpoint: Route, checked: dict[str, Any], instead: errors.StripeError | None) -> tuple[int, Obj]:
        cause = events.CAUSE.set((self.request_id, self.key))
        try:
            with self.store.transaction():
                if instead:
                    raise instead
                body = self._done(endpoint, checked)
                self._keep(200, body)
            return 200, body
        except errors.StripeError as error:
            body = error.body(self.request_id)
            if error.stored:
                self._keep(error.status, body)
            return error.status, body
        except Exception as problem:
            # A mistake of the sandbox's own must name itself, in its log and to whoever runs a test against it.
            log.exception("%s %s failed", self.request.method, self.request.path)
            failed = errors.StripeError(f"The sandbox itself failed: {problem!r}", status=500, type="api_error")
            return failed.status, failed.body(self.request_id)
        finally:
            events.CAUSE.reset(cause)

    def _done(self, endpoint: Route, checked: dict[str, Any]) -> Obj:
        wanted = checked.pop("expand", None) or []
        call = Call(self.store, checked, self.path, self.request_id, self.key)
        shown = rendering.rendered(self.store, endpoint.handler(call))
        if CHECKED_SHAPES:
            _check_shape(shown)
        return expand.expanded(self.store, shown, wanted)

    def _keep(self, status: int, body: Obj) -> None:
        if self.key is not None:
            self.engine.keys.keep(self.key, self.request.path, self.raw, status, body)

    def _pairs(self) -> list[tuple[str, str]]:
        query, form = self.request.query_string.decode(), self.request.get_data(as_text=True)
        return parse_qsl(query, keep_blank_values=True) + parse_qsl(form, keep_blank_values=True)

    def _headers(self) -> dict[str, str]:
        headers = {"Request-Id": self.request_id, "Stripe-Version": API_VERSION}
        if self.key:
            headers |= {"Idempotency-Key": self.key, "Original-Request": self.request_id}
        if self.replayed:
            headers["Idempotent-Replayed"] = "true"
        if self.fault == "error_stored":
            # The same key would only bring the same 500 again.
            headers["Stripe-Should-Retry"] = "false"
        return headers


def _check_shape(shown: Obj) -> None:
    # Imported here, for stripe's whole client comes with it and would slow every start.
    # The class of search results is generic over what is found, so each of these is held against its own class.
    from sandbox import shapes

    objects = shown["data"] if shown.get("object") == "search_result" else [shown]
    found = [fault for each in objects for fault in shapes.faults(each)]
    if found:
        raise RuntimeError(f"Not the shape of Stripe: {found}")
