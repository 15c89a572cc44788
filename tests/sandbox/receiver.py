"""A webhook endpoint for tests: it keeps what arrives and answers as told."""

import json
import threading
from collections import deque
from dataclasses import dataclass
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from typing import Any


@dataclass(frozen=True, slots=True)
class Arrival:
    """One delivery as it came over the wire."""

    body: bytes
    signature: str

    @property
    def event(self) -> dict[str, Any]:
        """Give the event that the body holds."""
        event: dict[str, Any] = json.loads(self.body)
        return event


class Receiver:
    """A server on a free port of loopback; `answers` are the next statuses, 200 when it is empty."""

    def __init__(self) -> None:
        self.arrivals: list[Arrival] = []
        self.answers: deque[int] = deque()
        self._change = threading.Condition()
        self._server = ThreadingHTTPServer(("127.0.0.1", 0), self._handler())
        self._server.daemon_threads = True
        self.url = f"http://127.0.0.1:{self._server.server_port}/hook"
        threading.Thread(target=self._server.serve_forever, args=(0.01,), daemon=True).start()

    @property
    def types(self) -> list[str]:
        """Give the types of the events that came, in their order."""
        return [arrival.event["type"] for arrival in self.arrivals]

    def wait_for(self, count: int, *, timeout: float = 10) -> list[Arrival]:
        """Wait until so many deliveries came, and give them all."""
        with self._change:
            assert self._change.wait_for(lambda: len(self.arrivals) >= count, timeout), self.types
        return list(self.arrivals)

    def clear(self) -> None:
        """Forget what came."""
        with self._change:
            self.arrivals.clear()
            self.answers.clear()

    def close(self) -> None:
        """Stop listening."""
        self._server.shutdown()
        self._server.server_close()

    def _handler(self) -> type[BaseHTTPRequestHandler]:
        receiver = self

        class Handler(BaseHTTPRequestHandler):
            def do_POST(self) -> None:
                body = self.rfile.read(int(self.headers["Content-Length"]))
                with receiver._change:
                    receiver.arrivals.append(Arrival(body, self.headers["Stripe-Signature"]))
                    status = receiver.answers.popleft() if receiver.answers else 200
                    receiver._change.notify_all()
                self.send_response(status)
                self.send_header("Content-Length", "0")
                self.end_headers()

            def log_message(self, format: str, *args: Any) -> None:
                return

        return Handler
