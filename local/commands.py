"""The commands of `./farebox`."""

from __future__ import annotations

import argparse
import os
import shutil
import subprocess
import sys
import time
from collections.abc import Callable
from contextlib import AbstractContextManager
from functools import partial

from local import dotenv, lock, programs, running, setting_up, stack
from local.home import PART, Home, server_user
from local.progress import Progress
from local.testing import test_environment
from local.trouble import Trouble

WAITING = "Another ./farebox is at work in this clone; waiting for it"


def up(home: Home, arguments: list[str]) -> int:
    """Bring everything up, prove it, and leave it running. Exit code of the proof."""
    _takes(arguments)
    began, progress = time.monotonic(), Progress()
    with _alone(home):
        setting_up.bring_up(home, progress)
    code = _prove(home, progress, [])
    _farewell(home, progress, began)
    return code


def prove(home: Home, arguments: list[str]) -> int:
    """Prove that a running Farebox does its job."""
    if not running.recorded(home, stack.SUPERVISOR):
        raise Trouble("Nothing runs here yet: ./farebox up")
    return _prove(home, Progress(), arguments)


def test(home: Home, arguments: list[str]) -> int:
    """Run the tests on the given or the embedded servers; all of them on every core. Exit code of pytest."""
    home.make()
    # A file stays with one worker: its tests share figures and processes. tests/workers.py says which comes first.
    workers = str(min(os.cpu_count() or 1, 6))
    arguments = arguments or ["--numprocesses", workers, "--dist", "loadfile", "--no-loadscope-reorder"]
    with lock.held(home.var / "tests.lock", waiting="The tests run already in this clone; waiting for them"):
        running.end(running.marked(home, "tests"))
        return _with_servers(home, [sys.executable, "-m", "pytest", *arguments], test_environment)


def using(home: Home, arguments: list[str]) -> int:
    """Run any command while the servers run, with the settings of this clone; for .ci/run."""
    return _with_servers(home, arguments, partial(stack.owner_environment, part="command"))


def fuzz(home: Home, arguments: list[str]) -> int:
    """Search longer than the tests do for input that breaks Farebox: `--examples N` for each operation and role."""
    asked = argparse.ArgumentParser(prog="./farebox fuzz")
    asked.add_argument("--examples", type=int, default=1000, help="for each operation and role (the tests take 100)")
    found, rest = asked.parse_known_args(arguments)
    os.environ["FUZZ_EXAMPLES"] = str(found.examples)
    return test(home, ["tests/fuzz", *rest])


def logs(home: Home, arguments: list[str]) -> int:
    """Follow the logs, all or the named ones."""
    known = sorted(file.stem for file in home.logs.glob("*.log"))
    if unknown := [name for name in arguments if name not in known]:
        raise Trouble(f"No log named {', '.join(unknown)}. There are: {', '.join(known) or 'none yet'}.")
    files = [str(home.logs / f"{name}.log") for name in arguments or known]
    if not files:
        raise Trouble("No logs yet: ./farebox up")
    os.execvp("tail", ["tail", "-n", "40", "-F", *files])  # noqa: S606


def down(home: Home, arguments: list[str]) -> int:
    """End everything that runs, whoever started it and however it was left."""
    _takes(arguments)
    with _alone(home):
        ended = setting_up.take_down(home)
    Progress().say(f"Ended: {', '.join(ended)}." if ended else "Nothing ran.")
    return 0


def clean(home: Home, arguments: list[str]) -> int:
    """End everything and remove what it made; with --all the secrets and the venv too."""
    _takes(arguments, "--all")
    down(home, [])
    gone = [home.var, *([home.dotenv, home.root / ".venv"] if "--all" in arguments else [])]
    if server_user() and home.beside.exists():
        programs.refuse_strange(home.beside)
        gone.append(home.beside)
    present = [path for path in gone if path.exists()]
    for path in present:
        if path.is_dir():
            shutil.rmtree(path)
        else:
            path.unlink()
    print(f"Removed: {', '.join(map(str, present))}.")
    return 0


def _takes(arguments: list[str], *known: str) -> None:
    if unknown := [word for word in arguments if word not in known]:
        raise Trouble(f"{' '.join(unknown)}: not understood. This command takes {' '.join(known) or 'nothing more'}.")


def _with_servers(home: Home, command: list[str], environment: Callable[[Home], dict[str, str]]) -> int:
    """Run a command; before it start the servers, after it end them unless a Farebox uses them."""
    with _alone(home):
        setting_up.servers_up(home, Progress())
    given = environment(home)
    try:
        return subprocess.run(command, cwd=home.root, env=given, check=False).returncode
    finally:
        with _alone(home):
            running.end(running.marked(home, given[PART]))
            if not running.recorded(home, stack.SUPERVISOR):
                setting_up.servers_down(home)


def _alone(home: Home) -> AbstractContextManager[None]:
    home.make()
    return lock.held(home.var / "lock", waiting=WAITING)


def _prove(home: Home, progress: Progress, arguments: list[str]) -> int:
    with lock.held(home.var / "proof.lock", waiting="A proof runs already in this clone; waiting for it"):
        # One that was killed may live on as an orphan, or have left a process paused.
        running.end(running.marked(home, "proof"))
        setting_up.wake(home)
        began = time.monotonic()
        code = subprocess.run(
            [sys.executable, "-m", "proof", *arguments],
            cwd=home.root,
            env=stack.environment(home, "proof"),
            check=False,
        ).returncode
        progress.seconds["proof"] = time.monotonic() - began
    return code


def _farewell(home: Home, progress: Progress, began: float) -> None:
    found = dotenv.settings(home)
    web = f"http://127.0.0.1:{found['PORT']}"
    places = {"Farebox": f"{web}/", "API": f"{web}/api/docs", "Back office": f"{web}/admin/"}
    if stack.uses_sandbox(home):
        places["Stripe sandbox"] = found["STRIPE_API_BASE"]
    progress.say()
    for name, url in places.items():
        progress.say(f"{name:<16}{url}")
    installed = float(os.environ.get("FAREBOX_INSTALL_SECONDS", "0"))
    spent = {"install": installed, **progress.seconds}
    parts = ", ".join(f"{name} {seconds:.1f}" for name, seconds in spent.items())
    progress.say(
        f"\nSeconds: {installed + time.monotonic() - began:.1f} in all ({parts}). It runs on; ./farebox down ends it."
    )
