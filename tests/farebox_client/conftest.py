from __future__ import annotations

import socket
import threading
from collections.abc import Callable, Iterator
from contextlib import closing
from typing import Any
from uuid import uuid4

import pytest

from farebox_client import Farebox, Patience
from tests.api import token
from tests.entitlements.conftest import a_gift
from tests.proof.serving import serving

# Long enough for a slow machine, with short waits in between.
PATIENT = Patience(total=20, tries=3, first_wait=0.01)
Clients = Callable[..., Farebox]


class LossyWay:
    """A way to the server that loses the first replies: they are made there, and `instead` arrives, or nothing."""

    def __init__(self, url: str, losses: int, instead: bytes = b""):
        self._instead = instead
        self._target = ("127.0.0.1", int(url.rsplit(":", 1)[1]))
        self._losses = losses
        self._listening = socket.create_server(("127.0.0.1", 0))
        self.url = f"http://127.0.0.1:{self._listening.getsockname()[1]}"
        self.requests: list[bytes] = []
        threading.Thread(target=self._serve, daemon=True).start()

    def close(self) -> None:
        self._listening.close()

    def _serve(self) -> None:
        while True:
            try:
                near, _ = self._listening.accept()
            except OSError:
                return
            with near, socket.create_connection(self._target) as far:
                request = _message(near).replace(b"\r\n\r\n", b"\r\nConnection: close\r\n\r\n", 1)
                self.requests.append(request)
                far.sendall(request)
                reply = b"".join(iter(lambda far=far: far.recv(65536), b""))
                near.sendall(reply if len(self.requests) > self._losses else self._instead)


Ways = Callable[..., LossyWay]


def _message(connection: socket.socket) -> bytes:
    """Read one request, with its body."""
    read = b""
    while b"\r\n\r\n" not in read:
        read += connection.recv(65536)
    head, _, body = read.partition(b"\r\n\r\n")
    lines = head.decode("latin-1").lower().split("\r\n")
    length = next(int(line.split(":")[1]) for line in lines if line.startswith("content-length:"))
    while len(body) < length:
        body += connection.recv(65536)
    return head + b"\r\n\r\n" + body


@pytest.fixture
def url(books: None) -> Iterator[str]:
    """Serve Farebox, where anna was given the pro plan."""
    a_gift("anna")
    with serving() as served:
        yield served


@pytest.fixture
def nowhere() -> str:
    """Give the address of a server that is not there."""
    with closing(socket.create_server(("127.0.0.1", 0))) as gone:
        return f"http://127.0.0.1:{gone.getsockname()[1]}"


@pytest.fixture
def client_of() -> Iterator[Clients]:
    """Make clients of a service."""
    made: list[Farebox] = []

    def make(url: str, **said: Any) -> Farebox:
        bearer = said.pop("token", None) or token(f"shop-{uuid4()}", "service")
        client = Farebox(url, bearer, **{"questions": PATIENT, "uses": PATIENT, **said})
        made.append(client)
        return client

    yield make
    for client in made:
        client.close()


@pytest.fixture
def farebox(url: str, client_of: Clients) -> Farebox:
    return client_of(url)


@pytest.fixture
def lossy(url: str) -> Iterator[Ways]:
    """Make ways to the server that lose its first replies."""
    made: list[LossyWay] = []

    def make(losses: int = 1, instead: bytes = b"") -> LossyWay:
        made.append(LossyWay(url, losses, instead))
        return made[-1]

    yield make
    for way in made:
        way.close()
