"""Start the sandbox: `python -m sandbox --port 8010 --db var/sandbox.sqlite3`."""

import argparse
import logging
import signal
import socket
import threading
from typing import Any

from werkzeug.serving import WSGIRequestHandler, make_server

from sandbox import clocks, webhook_endpoints
from sandbox.app import Application
from sandbox.engine import Engine
from sandbox.store import Store

TICK_SECONDS = 5
log = logging.getLogger("sandbox")


class Handler(WSGIRequestHandler):
    """The server's handler, without its line for each request."""

    # Head and body are two writes; with Nagle's algorithm the second would wait 40 ms for an acknowledgement.
    disable_nagle_algorithm = True

    def log_request(self, code: int | str = "-", size: int | str = "-") -> None:
        """Say nothing; GET /_sandbox/requests has the log."""


def main() -> None:
    """Serve until SIGTERM or Ctrl-C."""
    options = _options()
    logging.basicConfig(level=logging.WARNING)
    store = Store(options.db, seed=options.seed, fresh=options.fresh)
    port = options.port or _free_port(options.host)
    base_url = options.public_url or f"http://{options.host}:{port}"
    engine = Engine(store, base_url, options.webhook_url, options.webhook_secret)
    webhook_endpoints.from_command_line(engine)
    server = make_server(options.host, port, Application(engine), threaded=True, request_handler=Handler)
    engine.deliveries.start()
    stopped = threading.Event()
    threading.Thread(target=_tick, args=(engine, stopped), name="clock", daemon=True).start()

    def stop(*_: Any) -> None:
        threading.Thread(target=server.shutdown).start()

    signal.signal(signal.SIGTERM, stop)
    signal.signal(signal.SIGINT, stop)
    print(f"The Stripe sandbox answers on {base_url}", flush=True)
    server.serve_forever()
    stopped.set()
    engine.deliveries.stop()
    store.close()


def _tick(engine: Engine, stopped: threading.Event) -> None:
    """Run what real time makes due, such as the end of a session that nobody paid."""
    while not stopped.wait(TICK_SECONDS):
        try:
            clocks.catch_up(engine.store)
        except Exception:
            # One thing that cannot be done must not stop time for all others.
            log.exception("What real time made due failed")
        engine.deliveries.wake()


def _free_port(host: str) -> int:
    with socket.create_server((host, 0)) as taken:
        return int(taken.getsockname()[1])


def _options() -> argparse.Namespace:
    parser = argparse.ArgumentParser(
        prog="python -m sandbox", description="A Stripe stand-in; for tests, never for money."
    )
    parser.add_argument("--host", default="127.0.0.1")
    parser.add_argument("--port", type=int, default=8010, help="0 takes a free one, which the first line names")
    parser.add_argument("--public-url", help="how browsers reach the pages, when it is not http://HOST:PORT")
    parser.add_argument("--db", required=True, help="the SQLite file")
    parser.add_argument("--seed", type=int, help="makes ids the same in every run; without it they never repeat")
    parser.add_argument("--webhook-url", help="an endpoint that gets every event")
    parser.add_argument("--webhook-secret", help="the secret that signs them")
    parser.add_argument("--fresh", action="store_true", help="forget what the file holds")
    return parser.parse_args()


main()
