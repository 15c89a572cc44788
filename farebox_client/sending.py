"""One request, sent until it is answered or time is up. What is sent again is the same, under the same key."""

from __future__ import annotations

import json
import os
import random
import threading
from collections.abc import Callable, Mapping
from dataclasses import dataclass
from datetime import UTC, datetime
from email.utils import parsedate_to_datetime
from time import monotonic, sleep
from typing import Any

import httpx

from farebox_client.errors import Refused, Unreachable

Token = str | Callable[[], str]
# Full jitter, so that those who failed together do not come back together; from the system's source, which forks
# do not share.
chance = random.SystemRandom()


@dataclass(frozen=True, slots=True)
class Patience:
    """How long a request may take with all its tries, and how they are spaced: seconds, but for `tries`."""

    total: float
    tries: int = 4
    first_wait: float = 0.1
    longest_wait: float = 2.0

    def timeout(self, tried: int, left: float) -> float:
        """Return how long a try may take: half of what is left, so that a lost reply can be asked for again."""
        return max(left if tried + 1 == self.tries else left / 2, 0.001)

    def wait(self, tried: int, asked_for: float) -> float:
        """Return how long to wait after so many tries; never less than the server asked for."""
        return max(asked_for, chance.uniform(0, min(self.longest_wait, self.first_wait * 2**tried)))


@dataclass(frozen=True, slots=True)
class Reply:
    body: Mapping[str, Any]
    replayed: bool


class Line:
    """The way to one Farebox. May be shared by threads; a forked process opens connections of its own."""

    def __init__(self, base_url: str, token: Token, transport: httpx.BaseTransport | None = None):
        self._base_url = base_url.rstrip("/") + "/api/v1/"
        self._token = token
        self._transport = transport
        self._open: tuple[int, httpx.Client] | None = None
        self._lock = threading.Lock()

    def send(self, path: str, said: Mapping[str, Any], *, patience: Patience, key: str | None = None) -> Reply:
        """Post what is said, again on a lost connection, 429 and 5xx. Raises Refused on other 4xx, and Unreachable.

        What cannot be sent at all is the caller's mistake: TypeError, ValueError.
        """
        deadline = monotonic() + patience.total
        tried = 0
        while True:
            failed: Refused | Unreachable
            try:
                return self._once(path, said, key, patience.timeout(tried, deadline - monotonic()))
            except Unreachable as error:
                failed = error
            except Refused as error:
                if not error.is_passing:
                    raise
                failed = error
            wait = patience.wait(tried, failed.retry_after)
            tried += 1
            if tried == patience.tries or monotonic() + wait >= deadline:
                raise failed
            sleep(wait)

    def close(self) -> None:
        """Close the connections; the next request opens new ones."""
        with self._lock:
            if self._open and self._open[0] == os.getpid():
                self._open[1].close()
            self._open = None

    def _once(self, path: str, said: Mapping[str, Any], key: str | None, timeout: float) -> Reply:
        token = self._token if isinstance(self._token, str) else self._token()
        headers = {"Authorization": f"Bearer {token}", **({"Idempotency-Key": key} if key else {})}
        deadline = monotonic() + timeout
        try:
            with self._client().stream("POST", path, json=said, headers=headers, timeout=timeout) as answer:
                return _read(answer, _body(answer, deadline))
        except (httpx.LocalProtocolError, httpx.UnsupportedProtocol) as error:
            # It was never sent, and never will be: a mistake in an address or a token must not open anything.
            raise ValueError(str(error)) from error
        except httpx.RequestError as error:
            raise Unreachable(f"{type(error).__name__}: {error}") from error

    def _client(self) -> httpx.Client:
        # A socket that two processes share would mix up their answers.
        with self._lock:
            if self._open is None or self._open[0] != os.getpid():
                made = httpx.Client(base_url=self._base_url, transport=self._transport, follow_redirects=False)
                self._open = (os.getpid(), made)
            return self._open[1]


def _body(answer: httpx.Response, deadline: float) -> bytes:
    """Read what is said, as long as it comes in time: httpx counts each piece anew. Raises Unreachable."""
    pieces = []
    for piece in answer.iter_bytes():
        pieces.append(piece)
        if monotonic() > deadline:
            raise Unreachable(f"{answer.request.url.host} took too long to say it all")
    return b"".join(pieces)


def _read(answer: httpx.Response, said: bytes) -> Reply:
    """Read an answer. Raises Refused and Unreachable."""
    try:
        body = json.loads(said)
    except ValueError:
        body = None
    if answer.is_success and isinstance(body, dict):
        return Reply(body, answer.headers.get("Idempotent-Replayed") == "true")
    later = _retry_after(answer)
    if answer.is_client_error:
        raise Refused(answer.status_code, body if isinstance(body, dict) else {}, retry_after=later)
    # What is wrong with one request alone must not keep the others from asking.
    why = f"{answer.status_code} from {answer.request.url.host}"
    raise Unreachable(why, away=answer.status_code in (502, 503, 504), retry_after=later)


def _retry_after(answer: httpx.Response) -> float:
    said = answer.headers.get("Retry-After", "")
    if said.isascii() and said.isdigit():
        return float(said)
    try:
        return max(0.0, (parsedate_to_datetime(said) - datetime.now(UTC)).total_seconds())
    except (TypeError, ValueError):
        # No date, or one without its zone.
        return 0.0
