"""Unleash beside our checks: its server as npm brings it, one flag that is on, asked for by its frontend API."""

from __future__ import annotations

import contextlib
import shutil
import subprocess
import sys
import time
from collections.abc import Iterator
from pathlib import Path

import httpx
import psycopg

from benchmarks.arena import ROOT, Arena
from benchmarks.check_seeds import user
from benchmarks.verdicts import NotHere
from benchmarks.wrk import Ask
from local import ports

FOLDER, PEER = ROOT / "var" / "peers-unleash", Path(__file__).parent / "peers" / "unleash"
DATABASE, FLAG = "peers_unleash", "export"
ADMIN, FRONTEND = "*:*.of-a-benchmark-admin", "*:development.of-a-benchmark-frontend"
INSTALL = ("npm", "install", "--ignore-scripts", "--no-audit", "--no-fund", "--no-package-lock")
# Its first start makes its tables; a flag is told within its own ten seconds.
STARTING, TELLING = 120, 30


def asks(users: int) -> Iterator[Ask]:
    """Ask which flags are on for each user."""
    for number in range(users):
        yield Ask(f"/api/frontend?userId={user(number)}", (("Authorization", FRONTEND),))


@contextlib.contextmanager
def served(place: Arena, core: int | None) -> Iterator[tuple[str, int]]:
    """Serve it on one core if named, its flag on, and give its address and process. Raises NotHere without npm."""
    _install()
    port = ports.free()
    address = f"http://{ports.LOOPBACK}:{port}"
    said = {
        "DATABASE_URL": _database(place.environment["DATABASE_URL"]),
        "DATABASE_SSL": "false",
        "INIT_ADMIN_API_TOKENS": ADMIN,
        "INIT_FRONTEND_API_TOKENS": FRONTEND,
        "CHECK_VERSION": "false",
        "SEND_TELEMETRY": "false",
        "LOG_LEVEL": "error",
        "NODE_ENV": "production",
        "PORT": str(port),
    }
    with place.having(**said).running("unleash", "server.js", core=core, python="node", folder=FOLDER) as process:
        _await(address, process)
        _turn_on(address)
        yield address, process.pid


def _install() -> None:
    if not shutil.which("npm") or not shutil.which("node"):
        raise NotHere("needs node and npm on the PATH")
    FOLDER.mkdir(parents=True, exist_ok=True)
    for file in PEER.iterdir():
        shutil.copy(file, FOLDER)
    if not (FOLDER / "node_modules" / "unleash-server").exists():
        print("installing unleash-server ...", file=sys.stderr)
        done = subprocess.run(INSTALL, cwd=FOLDER, capture_output=True, text=True, check=False)
        if done.returncode:
            raise NotHere(f"npm cannot install it: {done.stderr.strip().splitlines()[-1:]}")


def _database(url: str) -> str:
    with psycopg.connect(url, autocommit=True) as connection:
        if not connection.execute("SELECT 1 FROM pg_database WHERE datname = %s", [DATABASE]).fetchone():
            connection.execute(f"CREATE DATABASE {DATABASE}")
    return f"{url.rpartition('/')[0]}/{DATABASE}"


def _await(address: str, process: subprocess.Popen[bytes]) -> None:
    end = time.monotonic() + STARTING
    while time.monotonic() < end and process.poll() is None:
        with contextlib.suppress(httpx.TransportError):
            if httpx.get(f"{address}/health").is_success:
                return
        time.sleep(0.2)
    raise NotHere("Unleash did not start")


def _turn_on(address: str) -> None:
    feature = "/api/admin/projects/default/features"
    here = f"{feature}/{FLAG}/environments/development"
    with httpx.Client(base_url=address, headers={"Authorization": ADMIN}, timeout=30) as staff:
        if staff.get(f"{feature}/{FLAG}").status_code == 404:
            staff.post(feature, json={"name": FLAG, "type": "release"}).raise_for_status()
            staff.post(f"{here}/strategies", json={"name": "default"}).raise_for_status()
            staff.post(f"{here}/on").raise_for_status()
        end = time.monotonic() + TELLING
        while time.monotonic() < end:
            answer = staff.get("/api/frontend?userId=somebody", headers={"Authorization": FRONTEND})
            if answer.is_success and any(one["name"] == FLAG for one in answer.json()["toggles"]):
                return
            time.sleep(0.2)
    raise RuntimeError("Unleash does not tell of the flag")
