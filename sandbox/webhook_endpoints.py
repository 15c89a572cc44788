"""Webhook endpoints: who hears of events, and with which secret they are signed."""

from urllib.parse import urlsplit

from sandbox import errors, routes
from sandbox.engine import Engine
from sandbox.metadata import merged
from sandbox.routes import Call
from sandbox.store import Obj, Store

URL = "/v1/webhook_endpoints"


def from_command_line(engine: Engine) -> None:
    """Make or renew the endpoint that --webhook-url names, which hears every event."""
    if not engine.webhook_url:
        return
    with engine.store.transaction():
        known = [each for each in engine.store.find("webhook_endpoint") if each.get("_from_command_line")]
        endpoint = known[0] if known else _made(engine.store, engine.webhook_url, ["*"])
        secret = engine.webhook_secret or endpoint["_secret"]
        engine.store.put(endpoint | {"url": engine.webhook_url, "_secret": secret, "_from_command_line": True})


@routes.route("POST", URL, params="WebhookEndpointCreateParams")
def create(call: Call) -> Obj:
    _check_url(call.params["url"])
    endpoint = _made(call.store, call.params["url"], call.params["enabled_events"])
    endpoint |= {
        "api_version": call.params.get("api_version"),
        "description": call.params.get("description") or None,
        "metadata": merged({}, call.params.get("metadata")),
    }
    # Stripe shows the secret in this one answer.
    return call.store.put(endpoint) | {"secret": endpoint["_secret"]}


@routes.route("GET", URL, params="WebhookEndpointListParams")
def list_all(call: Call) -> Obj:
    return routes.listing(call, call.store.find("webhook_endpoint"), URL)


@routes.route("GET", URL + "/<id>", params="WebhookEndpointRetrieveParams")
def retrieve(call: Call) -> Obj:
    return call.store.get("webhook_endpoint", call.path["id"])


@routes.route("POST", URL + "/<id>", params="WebhookEndpointModifyParams")
def update(call: Call) -> Obj:
    endpoint = call.store.get("webhook_endpoint", call.path["id"])
    if "url" in call.params:
        _check_url(call.params["url"])
    endpoint |= {key: call.params[key] for key in ("url", "enabled_events") if key in call.params}
    if "description" in call.params:
        endpoint["description"] = call.params["description"] or None
    if "disabled" in call.params:
        endpoint["status"] = "disabled" if call.params["disabled"] else "enabled"
    endpoint["metadata"] = merged(endpoint["metadata"], call.params.get("metadata"))
    return call.store.put(endpoint)


@routes.route("DELETE", URL + "/<id>", params="WebhookEndpointDeleteParams")
def delete(call: Call) -> Obj:
    endpoint = call.store.get("webhook_endpoint", call.path["id"])
    call.store.drop("webhook_endpoint", endpoint["id"])
    return {"id": endpoint["id"], "object": "webhook_endpoint", "deleted": True}


def _made(store: Store, url: str, enabled_events: list[str]) -> Obj:
    return {
        "id": store.new_id("we"),
        "object": "webhook_endpoint",
        "api_version": None,
        "application": None,
        "created": store.now(),
        "description": None,
        "enabled_events": enabled_events,
        "livemode": False,
        "metadata": {},
        "status": "enabled",
        "url": url,
        "_secret": f"whsec_{store.token(32)}",
    }


def _check_url(url: str) -> None:
    parts = urlsplit(url)
    if parts.scheme not in {"http", "https"} or not parts.hostname:
        raise errors.invalid("Invalid URL: An explicit scheme (such as https) must be provided.", param="url")
