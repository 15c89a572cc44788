"""The way of a request: to the API, to a page or to the control endpoints, and its events on their way."""

import importlib
from collections.abc import Callable, Iterable
from typing import TYPE_CHECKING

from werkzeug import Request, Response
from werkzeug.exceptions import HTTPException
from werkzeug.routing import Map, Rule

from sandbox import errors, routes, webhooks
from sandbox.answers import json_response
from sandbox.engine import Engine
from sandbox.exchange import Exchange
from sandbox.routes import Door, Route

if TYPE_CHECKING:
    from _typeshed.wsgi import StartResponse, WSGIEnvironment

# Every module that registers addresses or renderers; importing it is enough.
MODULES = [
    "account",
    "balance",
    "bank_pages",
    "charges",
    "checkout_pages",
    "checkout_routes",
    "clock_routes",
    "clocks",
    "collection",
    "control",
    "customers",
    "cycles",
    "disputes",
    "dunning",
    "events",
    "index_page",
    "invoice_items",
    "invoice_pages",
    "invoice_payments",
    "invoice_routes",
    "invoices",
    "payment_intent_routes",
    "payment_methods",
    "pending_updates",
    "previews",
    "prices",
    "products",
    "refunds",
    "search",
    "setup_intents",
    "subscription_ends",
    "subscription_item_routes",
    "subscription_items",
    "subscription_routes",
    "webhook_endpoints",
]


class Application:
    """The WSGI application over one engine."""

    def __init__(self, engine: Engine) -> None:
        for name in MODULES:
            importlib.import_module(f"sandbox.{name}")
        self.engine = engine
        rules = [Rule(each.path, endpoint=each, methods=[each.method]) for each in routes.ROUTES]
        rules += [Rule(path, endpoint=handler, methods=[method]) for method, path, handler in routes.DOORS]
        self._map = Map(rules, strict_slashes=False)

    def __call__(self, environ: "WSGIEnvironment", start_response: "StartResponse") -> Iterable[bytes]:
        request = Request(environ)
        asked = webhooks.ASKED.set(None)
        try:
            header = request.headers.get("Sandbox-Webhooks")
            webhooks.ASKED.set(webhooks.mode_from_header(header) if header else None)
            response = self._answer(request)
        except errors.StripeError as error:
            response = json_response(error.status, error.body())
        finally:
            webhooks.ASKED.reset(asked)
        # The reply leaves before its events, as far as nobody asked for the other order.
        response.call_on_close(self.engine.deliveries.wake)
        return response(environ, start_response)

    def _answer(self, request: Request) -> Response:
        try:
            endpoint, path = self._map.bind_to_environ(request.environ).match()
        except HTTPException:
            endpoint, path = None, {}
        if endpoint is None or isinstance(endpoint, Route):
            return self._called(Exchange(self.engine, request, endpoint, dict(path)))
        return self._opened(Door(self.engine.store, self.engine, request, dict(path)), endpoint)

    def _called(self, exchange: Exchange) -> Response:
        response = exchange.answer()
        self._events_first(exchange.request_id)
        exchange.cut()
        return response

    def _opened(self, door: Door, handler: Callable[[Door], Response]) -> Response:
        response = handler(door)
        self._events_first(None)
        return response

    def _events_first(self, request_id: str | None) -> None:
        if webhooks.current_mode(self.engine.store).before_reply:
            self.engine.deliveries.send_for(request_id)
