"""Free ports of the loopback interface."""

from __future__ import annotations

import contextlib
import socket

import psutil

LOOPBACK = "127.0.0.1"


def free(*wanted: int) -> int:
    """Pick the first wanted port that nobody holds, else any free one."""
    return next((port for port in wanted if _can_bind(port) and not answers(port)), 0) or _any()


def answers(port: int, host: str = LOOPBACK) -> bool:
    """Say whether somebody takes connections there."""
    with contextlib.suppress(OSError), socket.create_connection((host, port), timeout=3):
        return True
    return False


def is_shared(port: int, ours: set[int]) -> bool:
    """Say whether a process that is not ours listens there too.

    granian listens with SO_REUSEPORT: two clones that chose one port at the same moment would both get it, and each
    would be sent the other's requests. Where the system does not show its sockets the answer is no.
    """
    with contextlib.suppress(psutil.Error, OSError):
        return any(
            c.status == psutil.CONN_LISTEN and c.laddr and c.laddr.port == port and c.pid not in ours
            for c in psutil.net_connections("tcp")
        )
    return False


def _can_bind(port: int) -> bool:
    with socket.socket() as tried:
        tried.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
        try:
            tried.bind((LOOPBACK, port))
        except OSError:
            return False
    return True


def _any() -> int:
    with socket.socket() as tried:
        tried.bind((LOOPBACK, 0))
        port: int = tried.getsockname()[1]
    return port
