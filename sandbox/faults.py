"""Failures on request: by the header Sandbox-Fault, or by rules that the control endpoint sets."""

import re
import select
import socket
import threading
from dataclasses import dataclass
from typing import Any

from sandbox import errors

FAULTS = ("500", "429", "hang", "drop_reply", "drop_before", "error_stored")
# Longer than any client waits; a client that gives up ends it.
HANG_SECONDS = 600


@dataclass(slots=True)
class Rule:
    """A fault for the next `times` requests whose method and path fit, `after` so many that it lets pass."""

    path: re.Pattern[str]
    method: str | None
    fault: str
    times: int
    after: int


class Faults:
    """The rules that wait for their requests."""

    def __init__(self) -> None:
        self._lock = threading.Lock()
        self._rules: list[Rule] = []

    def add(self, wanted: dict[str, Any]) -> None:
        """Add a rule; raise Stripe's 400 for a fault that is none."""
        fault = _known(str(wanted.get("fault")))
        method = str(wanted["method"]).upper() if wanted.get("method") else None
        path, times, after = (
            str(wanted.get("path") or ".*"),
            int(wanted.get("times") or 1),
            int(wanted.get("after") or 0),
        )
        rule = Rule(re.compile(path), method, fault, times, after)
        with self._lock:
            self._rules.append(rule)

    def take(self, method: str, path: str, header: str | None) -> str | None:
        """Give the fault of this request, and use up one of its rule's times."""
        if header:
            return _known(header.strip())
        with self._lock:
            for rule in self._rules:
                if rule.method in {None, method} and rule.path.search(path):
                    if rule.after:
                        rule.after -= 1
                        return None
                    rule.times -= 1
                    self._rules = [each for each in self._rules if each.times > 0]
                    return rule.fault
        return None

    def clear(self) -> None:
        """Forget every rule."""
        with self._lock:
            self._rules = []


def failure(fault: str) -> errors.StripeError | None:
    """Give the error that stands in place of the work; None for faults that are no answer."""
    if fault == "429":
        message = "Request rate limit exceeded. Learn more about rate limits here https://stripe.com/docs/rate-limits."
        return errors.StripeError(message, status=429, code="rate_limit", stored=False)
    if fault in {"500", "error_stored"}:
        message = "An unknown error occurred while processing this request."
        return errors.StripeError(message, status=500, type="api_error", stored=fault == "error_stored")
    return None


def hang(connection: socket.socket) -> None:
    """Wait until the client gives up."""
    select.select([connection], [], [], HANG_SECONDS)


def cut(connection: socket.socket) -> None:
    """Close the connection without a word."""
    try:
        connection.shutdown(socket.SHUT_RDWR)
    except OSError:
        # The client was faster.
        return


def _known(fault: str) -> str:
    if fault not in FAULTS:
        raise errors.invalid(f"Invalid fault: must be one of {', '.join(FAULTS)}", param="fault")
    return fault
