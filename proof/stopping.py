"""Stopping a process of this machine for a while, and Valkey wherever it is."""

from __future__ import annotations

import contextlib
import json
import signal
import socket
from collections.abc import Iterator
from pathlib import Path
from urllib.parse import unquote, urlsplit

import psutil

from proof.expecting import true
from proof.settings import Settings

# How exactly the kernel's start time is known: a pid alone may be another process by now.
SAME_START_SECONDS = 2.0


@contextlib.contextmanager
def worker(settings: Settings) -> Iterator[str]:
    """Stop the Celery worker and its children with SIGSTOP; they go on when the block is left, whatever happens."""
    found = _recorded(settings.root / "var" / "run" / "worker.json")
    true("Celery worker", bool(found), "none recorded in var/run", expected="one that ./farebox up has started")
    processes = {p.pid: p for parent in found for p in (parent, *parent.children(recursive=True))}
    with _stopped(processes):
        yield f"Celery worker stopped (SIGSTOP, {len(processes)} processes)"


@contextlib.contextmanager
def valkey(settings: Settings, *, seconds: int) -> Iterator[str]:
    """Stop Valkey: by SIGSTOP when it is this clone's own, else by its own CLIENT PAUSE for at most `seconds`."""
    said = _say(settings.redis_url, "INFO server")
    pid = next((int(row.split(":")[1]) for row in said.splitlines() if row.startswith("process_id:")), 0)
    if process := _own(pid, settings.root / "var" / "valkey"):
        with _stopped({pid: process}):
            yield "Valkey stopped (SIGSTOP)"
        return
    _say(settings.redis_url, f"CLIENT PAUSE {seconds * 1000} ALL")
    yield f"Valkey, which is yours, paused for {seconds} s (CLIENT PAUSE)"


@contextlib.contextmanager
def _stopped(processes: dict[int, psutil.Process]) -> Iterator[None]:
    try:
        for process in processes.values():
            with contextlib.suppress(psutil.NoSuchProcess):
                process.send_signal(signal.SIGSTOP)
        yield
    finally:
        for process in processes.values():
            with contextlib.suppress(psutil.NoSuchProcess):
                process.send_signal(signal.SIGCONT)


def _recorded(file: Path) -> list[psutil.Process]:
    found = []
    for row in json.loads(file.read_text()) if file.is_file() else []:
        with contextlib.suppress(psutil.NoSuchProcess):
            process = psutil.Process(row["pid"])
            if abs(process.create_time() - row["started"]) < SAME_START_SECONDS:
                found.append(process)
    return found


def _own(pid: int, folder: Path) -> psutil.Process | None:
    with contextlib.suppress(psutil.Error, OSError, ValueError):
        process = psutil.Process(pid)
        return process if Path(process.cwd()) == folder.resolve() else None
    return None


def _say(url: str, command: str) -> str:
    """Say one command to Valkey in its inline protocol, and return the answer's first part."""
    parts = urlsplit(url)
    with socket.create_connection((parts.hostname or "127.0.0.1", parts.port or 6379), timeout=5) as caller:
        caller.settimeout(5)
        if parts.password:
            name = f"{unquote(parts.username)} " if parts.username else ""
            caller.sendall(f"AUTH {name}{unquote(parts.password)}\r\n".encode())
            caller.recv(1024)
        caller.sendall(f"{command}\r\n".encode())
        return caller.recv(64 * 1024).decode(errors="replace")
