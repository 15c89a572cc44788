"""Sending events: signed, one thread, again with back-off until the endpoint answers 2xx."""

import hashlib
import hmac
import http.client
import json
import threading
import time
from collections import deque
from concurrent.futures import ThreadPoolExecutor
from typing import Any
from urllib.parse import urlsplit

from sandbox import rendering, webhooks
from sandbox.store import Obj, Store

# Seconds until the next try, in real time; Stripe spreads its tries over days, which no test could wait for.
BACK_OFF = (1, 2, 5, 15, 60, 300, 900)
TIMEOUT = 30
IDLE = 60.0


def signature(secret: str, payload: bytes, at: int) -> str:
    """Make the Stripe-Signature header of a body (docs.stripe.com/webhooks: verify manually)."""
    digest = hmac.new(secret.encode(), f"{at}.".encode() + payload, hashlib.sha256).hexdigest()
    return f"t={at},v1={digest}"


def send(event: Obj, endpoint: Obj) -> int:
    """Send one event to one endpoint and give the HTTP status; 0 when no answer came."""
    payload = json.dumps(event, indent=2).encode()
    url = urlsplit(endpoint["url"])
    kind = http.client.HTTPSConnection if url.scheme == "https" else http.client.HTTPConnection
    connection = kind(url.hostname or "", url.port, timeout=TIMEOUT)
    headers = {
        "Content-Type": "application/json; charset=utf-8",
        "User-Agent": "Stripe/1.0 (+https://stripe.com/docs/webhooks)",
        "Stripe-Signature": signature(endpoint["_secret"], payload, int(time.time())),
    }
    try:
        connection.request("POST", (url.path or "/") + (f"?{url.query}" if url.query else ""), payload, headers)
        return connection.getresponse().status
    except (OSError, http.client.HTTPException):
        return 0
    finally:
        connection.close()


class Deliveries:
    """The thread that empties the queue, and the calls that empty it at once."""

    def __init__(self, store: Store) -> None:
        self._store = store
        self._wake = threading.Event()
        self._free = threading.Condition()
        self._claimed: set[str] = set()
        self._stopped = False
        self.log: deque[dict[str, Any]] = deque(maxlen=2000)
        self._thread = threading.Thread(target=self._run, name="deliveries", daemon=True)

    def start(self) -> None:
        """Begin to deliver, with what an earlier run of the process left behind."""
        self._thread.start()

    def stop(self) -> None:
        """Let the delivery that runs come to its end, and begin no other."""
        self._stopped = True
        self._wake.set()
        self._thread.join(TIMEOUT)

    def wake(self) -> None:
        """Look at the queue now."""
        self._wake.set()

    def flush(self) -> list[dict[str, Any]]:
        """Send all that waits (held, delayed or to be tried again) once, in order; give each answer."""
        self.wait_until_idle()
        return self._deliver_all(self._store.find("_delivery"))

    def wait_until_idle(self) -> None:
        """Wait for what is being sent at this moment."""
        with self._free:
            self._free.wait_for(lambda: not self._claimed, timeout=TIMEOUT)

    def send_for(self, request_id: str | None) -> None:
        """Send the events of one request before its reply leaves."""
        self._deliver_all(self._store.find("_delivery", lambda each: each["due_at"] is not None, request=request_id))
        # The thread may have taken one of them a moment earlier.
        self.wait_until_idle()

    def again(self, event: Obj, *, times: int, at_once: bool) -> list[int]:
        """Send one event again to every endpoint that wants it, and give the answers' statuses."""
        shown = rendering.rendered(self._store, event)
        targets = [each for each in webhooks.wanting(self._store, event["type"]) for _ in range(times)]
        if not at_once or not targets:
            return [send(shown, each) for each in targets]
        gate = threading.Barrier(len(targets))

        def one(endpoint: Obj) -> int:
            gate.wait(TIMEOUT)
            return send(shown, endpoint)

        with ThreadPoolExecutor(len(targets)) as pool:
            return list(pool.map(one, targets))

    def _run(self) -> None:
        while not self._stopped:
            self._wake.clear()
            waiting = sorted(
                self._store.find(
                    "_delivery", lambda each: each["due_at"] is not None and each["id"] not in self._claimed
                ),
                key=lambda each: (each["due_at"], each["order"]),
            )
            rest = waiting[0]["due_at"] - time.time() if waiting else IDLE
            if rest > 0:
                self._wake.wait(min(rest, IDLE))
            else:
                # One at a time, so that a mode set meanwhile holds for the next one.
                self._deliver_all(waiting[:1])

    def _deliver_all(self, deliveries: list[Obj]) -> list[dict[str, Any]]:
        answers = []
        for delivery in sorted(deliveries, key=lambda each: each["order"]):
            with self._free:
                if delivery["id"] in self._claimed or self._store.lookup(delivery["id"]) is None:
                    continue
                self._claimed.add(delivery["id"])
            try:
                answers.append(self._deliver(delivery))
            finally:
                with self._free:
                    self._claimed.discard(delivery["id"])
                    self._free.notify_all()
        return answers

    def _deliver(self, delivery: Obj) -> dict[str, Any]:
        event, endpoint = self._store.lookup(delivery["event"]), self._store.lookup(delivery["endpoint"])
        if event is None or endpoint is None:
            self._store.drop("_delivery", delivery["id"])
            return {"event": delivery["event"], "type": None, "endpoint": delivery["endpoint"], "status": 0}
        status = send(rendering.rendered(self._store, event), endpoint)
        with self._store.transaction():
            self._settle(delivery, arrived=200 <= status < 300)
        answer = {"event": event["id"], "type": event["type"], "endpoint": endpoint["id"], "status": status}
        self.log.append(answer | {"attempt": delivery["attempts"] + 1, "at": time.time()})
        return answer

    def _settle(self, delivery: Obj, *, arrived: bool) -> None:
        attempts = delivery["attempts"] + 1
        if self._store.lookup(delivery["id"]) is None:
            # The sandbox was emptied meanwhile.
            return
        if not arrived and attempts <= len(BACK_OFF):
            due_at = time.time() + BACK_OFF[attempts - 1]
            self._store.put(delivery | {"attempts": attempts, "due_at": due_at})
            return
        self._store.drop("_delivery", delivery["id"])
        event = self._store.lookup(delivery["event"])
        if event and arrived:
            self._store.put(event | {"pending_webhooks": max(event["pending_webhooks"] - 1, 0)})
