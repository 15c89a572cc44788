"""Farebox's own processes: web, worker, beat, sweeper, and the Stripe sandbox."""

from __future__ import annotations

import hashlib
import os
import sys
import time
import urllib.error
import urllib.request
from pathlib import Path

from config.environment import ALIASES
from local import dotenv, ports, postgres, running, servers
from local.home import Home
from local.trouble import Trouble, tail

SUPERVISOR = "supervisor"
# Under this name honcho says who started and who ended.
HONCHO = "system"
PARTS = ("web", "worker", "beat", "sweeper", "sandbox")
# What makes the running processes old when it changes.
SOURCES = ("*.py", "*.html", "*.toml", "*.csv", "*.json", "*.css", "*.js")
FOLDERS = ("config", "vault", "events", "keys", "pricing", "entitlements", "billing", "sandbox", "templates")
NAMES = ("DATABASE_URL", "REDIS_URL", "PORT", "STRIPE_SECRET_KEY", "STRIPE_API_BASE", "STRIPE_WEBHOOK_SECRET")
# A setting's other names have been read; beside the port we chose, SERVER_PORT would be a contradiction.
MISLEADING = {"PYTHONPATH", "PYTHONHOME", "VIRTUAL_ENV", *(other for others in ALIASES.values() for other in others)}
READY_SECONDS = 90


def environment(home: Home, part: str) -> dict[str, str]:
    """Give a process of ours every setting, its mark, and nothing of the caller's that would mislead it."""
    found = {
        name: value
        for name, value in dotenv.settings(home).items()
        # PGSSLMODE and the like would change how an embedded server is called.
        if not name.startswith("PG") and name not in MISLEADING
    }
    no_proxy = ",".join(filter(None, (found.get("NO_PROXY") or found.get("no_proxy"), f"{ports.LOOPBACK},localhost")))
    found |= {
        "PATH": f"{Path(sys.executable).parent}{os.pathsep}{found.get('PATH', os.defpath)}",
        "DJANGO_SETTINGS_MODULE": "config.settings",
        "PYTHONUNBUFFERED": "1",
        "NO_PROXY": no_proxy,
        "no_proxy": no_proxy,
    }
    # What works as the application has no business with the owner's password.
    found.pop("DATABASE_OWNER_URL", None)
    return found | home.mark(part)


def owner_environment(home: Home, part: str) -> dict[str, str]:
    """Give a process that makes tables the same, but let it log in as their owner; it knows whom to grant them to."""
    found = environment(home, part)
    given = dotenv.given(home, "DATABASE_OWNER_URL")
    if dotenv.given(home, "DATABASE_URL") and not given:
        return found
    return found | {"DATABASE_URL": given or postgres.owner_url(home), "APPLICATION_URL": found["DATABASE_URL"]}


def is_current(home: Home, *, database: str = "") -> bool:
    """Say whether everything runs, and runs what the files now say (on this database)."""
    parts = running.by_part(home)
    wanted = _wanted(home)
    if not running.recorded(home, SUPERVISOR) or not all(parts.get(name) for name in wanted):
        return False
    running.wake(process for name in wanted for process in parts[name])
    return _written(home) == _fingerprint(home) and database in dotenv.settings(home).get("SANDBOX_DB", database)


def start(home: Home) -> None:
    """Start every process, detached, and write down who runs."""
    for name in (SUPERVISOR, HONCHO, *PARTS):
        log = home.logs / f"{name}.log"
        if log.exists():
            log.replace(log.with_name(f"{log.name}.1"))
    left_out = [name for name in PARTS if name not in _wanted(home)]
    supervisor = servers.spawn(
        [sys.executable, "-m", "local.supervisor", str(home.root), *left_out],
        folder=home.root,
        log=home.logs / f"{SUPERVISOR}.log",
        env=environment(home, SUPERVISOR),
    )
    running.record_pid(home, SUPERVISOR, supervisor.pid)


def await_ready(home: Home) -> None:
    """Wait until every part can work. Raises Trouble with the end of the log that explains why one cannot."""
    deadline = time.monotonic() + READY_SECONDS
    while late := _late(home):
        if not running.recorded(home, SUPERVISOR):
            raise Trouble("Farebox's processes ended.", log=home.logs / f"{_first_ended(home) or late}.log")
        if time.monotonic() > deadline:
            stop(home)
            raise Trouble(f"{late} was not ready within {READY_SECONDS} seconds.", log=home.logs / f"{late}.log")
        time.sleep(0.1)
    for name, processes in running.by_part(home).items():
        running.record(home, name, *processes)
    (home.run / "fingerprint").write_text(_fingerprint(home))


def stop(home: Home) -> list[str]:
    """End every process: honcho first, which ends its own, then what is left of them. Returns the names of them all."""
    found = running.by_part(home)
    running.end(running.recorded(home, SUPERVISOR), patience=12)
    left = [
        p for name in running.names(home) if name not in ("postgres", "valkey") for p in running.recorded(home, name)
    ]
    running.end([*left, *running.marked(home, SUPERVISOR, *PARTS)])
    return [name for name in (SUPERVISOR, *PARTS) if name in found]


def is_ready(port: int) -> bool:
    """Ask /readyz once."""
    # A proxy of the caller's environment does not know our loopback.
    opener = urllib.request.build_opener(urllib.request.ProxyHandler({}))
    try:
        with opener.open(f"http://{ports.LOOPBACK}:{port}/readyz", timeout=5) as answer:
            return bool(answer.status == 200)
    except (urllib.error.URLError, OSError):
        return False


def is_port_shared(home: Home) -> bool:
    """Say whether another clone's web took our port in the moment between our look and our start."""
    ours = {p.pid for processes in running.by_part(home).values() for p in processes}
    return ports.is_shared(int(dotenv.settings(home)["PORT"]), ours)


def uses_sandbox(home: Home) -> bool:
    """Say whether Stripe is the sandbox here. Raises Trouble for a live key."""
    return dotenv.is_sandbox_key(dotenv.settings(home).get("STRIPE_SECRET_KEY", ""))


def _wanted(home: Home) -> tuple[str, ...]:
    return PARTS if uses_sandbox(home) else tuple(name for name in PARTS if name != "sandbox")


def _late(home: Home) -> str:
    """Name the first part that cannot work yet; empty when all can."""
    found = dotenv.settings(home)
    if not is_ready(int(found["PORT"])):
        return "web"
    if uses_sandbox(home) and not ports.answers(int(found["SANDBOX_PORT"])):
        return "sandbox"
    return "" if _worker_listens(home) else "worker"


def _worker_listens(home: Home) -> bool:
    """Read Celery's own word for it, near the top of its log; asking a worker costs the start of another Celery."""
    log = home.logs / "worker.log"
    return log.is_file() and " ready." in log.open(errors="replace").read(64 * 1024)


def _written(home: Home) -> str:
    file = home.run / "fingerprint"
    return file.read_text() if file.is_file() else ""


def _fingerprint(home: Home) -> str:
    found = dotenv.settings(home)
    seen = hashlib.sha256("\n".join(f"{name}={found.get(name, '')}" for name in NAMES).encode())
    files = {f for folder in FOLDERS for pattern in SOURCES for f in (home.root / folder).rglob(pattern)}
    for file in sorted(
        {*files, home.root / "Procfile", home.root / "config.yaml", home.dotenv, home.root / "requirements.txt"}
    ):
        if file.is_file():
            state = file.stat()
            seen.update(f"{file}:{state.st_size}:{state.st_mtime_ns}\n".encode())
    return seen.hexdigest()


def _first_ended(home: Home) -> str:
    """Find out whose end ended the others; empty when honcho does not say."""
    lines = tail(home.logs / f"{HONCHO}.log", 200).splitlines()
    return next((name for line in lines if (name := line.split(" stopped (rc=", 1)[0]) in PARTS), "")
