"""Servers of one's own for a measurement: Postgres, Valkey, and what is measured; on loopback, gone afterwards."""

from __future__ import annotations

import contextlib
import os
import secrets
import shutil
import signal
import subprocess
import sys
import tempfile
import time
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path
from urllib.request import urlopen

from local import ports, postgres, valkey
from local.home import Home

ROOT = Path(__file__).resolve().parent.parent
SERVER = ["--interface", "wsgi", "--no-ws", "--workers", "1", "--log-level", "error"]
LAST_WORDS = 2000
# As deploy/start starts `web`, and `checks`.
WEB_THREADS, CHECKS_THREADS = 8, 1

SERVER_CORE, LOAD_CORE = 0, 1


def cores() -> tuple[int | None, int | None]:
    """Return the core of what is measured and that of what asks; none where they cannot be had."""
    can = (os.cpu_count() or 1) > 1 and shutil.which("taskset")
    return (SERVER_CORE, LOAD_CORE) if can else (None, None)


@dataclass(frozen=True, slots=True)
class Arena:
    """The running servers, as environment for the processes that are measured."""

    environment: dict[str, str]
    logs: Path

    def having(self, **environment: str) -> Arena:
        """Return the same arena with other settings for what it starts."""
        return Arena({**self.environment, **environment}, self.logs)

    def run(self, *words: str) -> None:
        """Run one of our commands to its end."""
        subprocess.run([sys.executable, *words], cwd=ROOT, env=self.environment, check=True, stdout=subprocess.DEVNULL)

    @contextlib.contextmanager
    def running(
        self,
        name: str,
        *words: str,
        stop: int = signal.SIGTERM,
        core: int | None = None,
        python: str = sys.executable,
        folder: Path = ROOT,
    ) -> Iterator[subprocess.Popen[bytes]]:
        """Run a process while the block runs, on one core if named; its words go to a file."""
        pinned = [] if core is None else ["taskset", "-c", str(core)]
        with (self.logs / f"{name}.log").open("ab") as log:
            started = subprocess.Popen(
                [*pinned, python, *words], cwd=folder, env=self.environment, stdout=log, stderr=subprocess.STDOUT
            )
            try:
                yield started
            finally:
                started.send_signal(stop)
                started.wait(30)

    def apart(self) -> Arena:
        """Return the same arena with a broker of its own: nobody takes another's tasks."""
        broker = self.environment["REDIS_URL"].rpartition("/")[0] + "/1"
        return Arena({**self.environment, "REDIS_URL": broker}, self.logs)

    @contextlib.contextmanager
    def serving(self, name: str, application: str) -> Iterator[str]:
        """Serve a WSGI application with granian, and give its address."""
        with self.served(name, application) as (address, _):
            yield address

    @contextlib.contextmanager
    def served(
        self,
        name: str,
        application: str,
        *,
        core: int | None = None,
        python: str = sys.executable,
        threads: int = WEB_THREADS,
    ) -> Iterator[tuple[str, int]]:
        """Serve it on one core if named, and give its address and the number of its process."""
        port = ports.free()
        listen = ["--host", ports.LOOPBACK, "--port", str(port), "--blocking-threads", str(threads)]
        words = ("-m", "granian", *SERVER, *listen, application)
        with self.running(name, *words, core=core, python=python) as process:
            _await(port, process, self.logs / f"{name}.log")
            yield f"http://{ports.LOOPBACK}:{port}", process.pid


@contextlib.contextmanager
def opened(*, durable: bool = False) -> Iterator[Arena]:
    """Start Postgres and Valkey in a new folder, with our tables; end both and remove the folder."""
    with tempfile.TemporaryDirectory(prefix="farebox-benchmark-") as folder:
        home = Home(Path(folder))
        home.make()
        try:
            arena = Arena(_environment(home, durable), home.logs)
            arena.run("-m", "local.preparation", "--embedded")
            yield arena
        finally:
            postgres.stop(home)
            valkey.stop(home)


def _environment(home: Home, durable: bool) -> dict[str, str]:
    return {
        **os.environ,
        "DATABASE_URL": postgres.start(home, durable=durable),
        "REDIS_URL": valkey.start(home),
        "SECRET_KEY": secrets.token_urlsafe(48),
        "JWT_SECRET": secrets.token_urlsafe(48),
        "ENCRYPTION_KEY": secrets.token_hex(16),
        "STRIPE_SECRET_KEY": f"sk_test_{secrets.token_hex(16)}",
        "STRIPE_WEBHOOK_SECRET": f"whsec_{secrets.token_hex(24)}",
        "ENVIRONMENT": "benchmark",
        "PYTHONUNBUFFERED": "1",
    }


def _await(port: int, process: subprocess.Popen[bytes], log: Path) -> None:
    end = time.monotonic() + 60
    while not ports.answers(port):
        if process.poll() is not None or time.monotonic() > end:
            raise RuntimeError(f"The server did not start: {log.read_text()[-LAST_WORDS:]}")
        time.sleep(0.05)
    with contextlib.suppress(OSError):
        urlopen(f"http://{ports.LOOPBACK}:{port}/", timeout=10).read()
