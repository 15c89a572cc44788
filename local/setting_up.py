"""The steps between a clone and a Farebox that is ready: secrets, servers, tables, processes."""

from __future__ import annotations

import json
import subprocess
import sys
from urllib.parse import urlsplit

from local import dotenv, ports, postgres, programs, running, servers, stack, valkey
from local.home import Home
from local.progress import Progress, Step
from local.trouble import Trouble

# Processes that live no longer than the command that started them; any that is found was orphaned by a kill.
PASSING = ("initdb", "preparation")
TITLES = {"database": "Database", "tables": "Tables", "catalog": "Catalog", "admin": "Back office"}
SERVERS = {"DATABASE_URL": ("Postgres", postgres), "REDIS_URL": ("Valkey", valkey)}
STANDARD = {"DATABASE_URL": 5432, "REDIS_URL": 6379}
SETUP, START = "set-up", "start"


def bring_up(home: Home, progress: Progress) -> None:
    """Do every step that is not done yet, and mend what a killed command left."""
    end_orphans(home)
    servers_up(home, progress)
    if not stack.is_current(home):
        stack.stop(home)
    identity = prepare(home, progress)
    if stack.is_current(home, database=identity):
        with progress.step("Web, worker, beat, sweeper and all: running already", group=START):
            stack.await_ready(home)
    else:
        processes_up(home, progress, identity)


def take_down(home: Home) -> list[str]:
    """End everything, whoever started it and however it was left; returns the names of what ran."""
    end_orphans(home)
    ended = [*stack.stop(home), *servers_down(home)]
    # A server whose folder was moved away is known by its mark alone.
    running.end(running.marked(home))
    for file in home.run.glob("*.json"):
        file.unlink()
    return ended


def servers_up(home: Home, progress: Progress) -> None:
    """Start the embedded servers that nobody has given, and write down where they listen."""
    home.make()
    before = dotenv.local(home)
    if added := dotenv.complete(home):
        progress.done(Step("Secrets", f"{', '.join(added)} in .env"), group=SETUP, seconds=0.0)
    # Refuses a live key, before anything is started with it.
    stack.uses_sandbox(home)
    values = {name: value for name, value in before.items() if name not in SERVERS}
    for name, (title, server) in SERVERS.items():
        with progress.step(title, group=SETUP) as step:
            if url := dotenv.given(home, name):
                _refuse_deaf(name, url)
                step.says = f"yours, at {_address(url)}"
            else:
                values[name] = server.start(home, wanted=_port(before.get(name, "")))
                step.says = f"embedded, at {_address(values[name])}"
    if "DATABASE_URL" in values:
        values["DATABASE_URL"] = postgres.application_url(home)
    dotenv.write_local(home, values)


def servers_down(home: Home) -> list[str]:
    """End the embedded servers; returns the names of those that ran."""
    return [name for name, server in (("valkey", valkey), ("postgres", postgres)) if server.stop(home)]


def choose(home: Home, database: str) -> None:
    """Choose where web and the sandbox listen and where the sandbox keeps its side of this database; write it down."""
    found, wanted = dotenv.local(home), dotenv.wanted_port(home)
    values = {name: found[name] for name in SERVERS if name in found}
    values["PORT"] = str(ports.free(wanted))
    if values["PORT"] != str(wanted):
        values[dotenv.INSTEAD_OF] = str(wanted)
    # The seals of one database's history are not another's.
    values["HISTORY_SEALS_DIR"] = str(home.var / "seals" / database)
    if stack.uses_sandbox(home):
        sandbox = ports.free(int(found.get("SANDBOX_PORT", 0)))
        programs.make_folder(home)
        home.sandbox.mkdir(mode=0o700, exist_ok=True)
        values |= {
            "SANDBOX_PORT": str(sandbox),
            # What Stripe knows belongs to one database: with another the books would not agree.
            "SANDBOX_DB": str(home.sandbox / f"{database}.sqlite3"),
            "STRIPE_API_BASE": f"http://{ports.LOOPBACK}:{sandbox}",
        }
    dotenv.write_local(home, values)


def prepare(home: Home, progress: Progress) -> str:
    """Make tables, catalog and admin in a process of its own, and show its steps; returns which database it is."""
    embedded = ["--embedded"] if not dotenv.given(home, "DATABASE_URL") else []
    log = home.logs / "setup.log"
    with log.open("wb") as said:
        child = subprocess.Popen(
            [sys.executable, "-m", "local.preparation", *embedded], cwd=home.root, stdin=subprocess.DEVNULL,
            env=stack.owner_environment(home, "preparation"), stdout=subprocess.PIPE, stderr=said, text=True,
        )  # fmt: skip
        steps: dict[str, str] = {}
        for done in map(json.loads, child.stdout or ()):
            steps[done["step"]] = done["says"]
            if title := TITLES.get(done["step"]):
                progress.done(Step(title, done["says"]), group=SETUP, seconds=done["seconds"])
    if child.wait():
        failed = next((title for name, title in TITLES.items() if name not in steps), "Set-up")
        raise Trouble(f"{failed}: this step failed.", log=log)
    return steps["identity"]


def wake(home: Home) -> None:
    """Let everything that runs go on: a proof that was killed may have left the worker or Valkey paused."""
    running.wake([*running.marked(home), *running.working_in(home.valkey, program=valkey.PROGRAM)])


def end_orphans(home: Home) -> None:
    """End what a killed command left at work: it would work beside us on the same tables."""
    running.end(running.marked(home, *PASSING), patience=3)


def processes_up(home: Home, progress: Progress, database: str) -> None:
    """Start Farebox's processes, and wait until they answer."""
    with progress.step(
        "Web, worker, beat, sweeper" + (", Stripe sandbox" if stack.uses_sandbox(home) else ""), group=START
    ) as step:
        for _ in range(servers.TRIES):
            stack.stop(home)
            choose(home, database)
            stack.start(home)
            stack.await_ready(home)
            if not stack.is_port_shared(home):
                break
        taken = dotenv.local(home).get(dotenv.INSTEAD_OF)
        step.says = f"port {dotenv.settings(home)['PORT']}" + (f", because {taken} is taken" if taken else "")


def _refuse_deaf(name: str, url: str) -> None:
    where = urlsplit(url)
    if where.hostname and not ports.answers(where.port or STANDARD[name], where.hostname):
        raise Trouble(f"{name} is set, but nobody answers at {_address(url)}. Start that server, or unset {name}.")


def _address(url: str) -> str:
    return url.rpartition("@")[2] or url


def _port(url: str) -> int:
    digits = _address(url).partition("/")[0].rpartition(":")[2]
    return int(digits) if digits.isdigit() else 0
