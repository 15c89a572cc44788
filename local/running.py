"""Which processes are ours, and how they end. Known by pid and start time, or by their mark; never by name."""

from __future__ import annotations

import contextlib
import json
import time
from collections.abc import Callable, Iterable, Iterator
from pathlib import Path

import psutil

from local import files
from local.home import MARK, PART, Home

# The kernel counts start times in ticks since boot, and the boot time may be corrected by a second.
SAME_START_SECONDS = 2.0
GONE = (psutil.NoSuchProcess, psutil.ZombieProcess)


def record(home: Home, name: str, *processes: psutil.Process) -> None:
    """Write down who runs under `name`: pid and start time, because a pid alone may be another's tomorrow."""
    rows = []
    for process in processes:
        with contextlib.suppress(*GONE):
            rows.append({"pid": process.pid, "started": process.create_time()})
    files.write(home.run / f"{name}.json", json.dumps(rows))


def record_pid(home: Home, name: str, pid: int) -> None:
    """Write down a process that was just started."""
    if process := _alive(pid):
        record(home, name, process)


def recorded(home: Home, name: str) -> list[psutil.Process]:
    """Find the recorded processes that still live."""
    file = home.run / f"{name}.json"
    try:
        rows = json.loads(file.read_text())
        found = [(row["started"], _alive(row["pid"])) for row in rows]
    except (FileNotFoundError, ValueError, KeyError, TypeError):
        return []
    return [p for started, p in found if p and abs(_started(p) - started) < SAME_START_SECONDS]


def names(home: Home) -> list[str]:
    """List the names that anything was ever recorded under."""
    return sorted(file.stem for file in home.run.glob("*.json"))


def marked(home: Home, *parts: str) -> list[psutil.Process]:
    """Find every process that carries this clone's mark (of these parts, or of any), orphans too; never ourselves."""
    return [p for p, part in _marks(home) if not parts or part in parts]


def by_part(home: Home) -> dict[str, list[psutil.Process]]:
    """Group the marked processes by part: `web`, `worker` ... oldest first."""
    found: dict[str, list[psutil.Process]] = {}
    for process, part in sorted(_marks(home), key=lambda pair: (_started(pair[0]), pair[0].pid)):
        found.setdefault(part, []).append(process)
    return found


def working_in(folder: Path, *, program: str) -> list[psutil.Process]:
    """Find the processes of a server by its working folder: servers overwrite their environment with their title."""
    found = []
    for process in psutil.process_iter():
        with contextlib.suppress(psutil.Error, OSError):
            if Path(_path(process.exe())).name == program and _path(process.cwd()) == str(folder) and _lives(process):
                found.append(process)
    return found


def end(processes: Iterable[psutil.Process], *, patience: float = 10.0) -> list[int]:
    """Ask each to stop, wait, then kill what is left. Returns the pids that were ended. Paused ones are woken first."""
    living = [p for p in processes if _lives(p)]
    for step in (psutil.Process.terminate, psutil.Process.resume):
        _each(living, step)
    _each(await_end(living, seconds=patience), psutil.Process.kill)
    await_end(living, seconds=5)
    return [p.pid for p in living]


def await_end(processes: Iterable[psutil.Process], *, seconds: float) -> list[psutil.Process]:
    """Wait until all have ended, and return those that have not. psutil's own wait counts a zombie as living."""
    deadline = time.monotonic() + seconds
    while (left := [p for p in processes if _lives(p)]) and time.monotonic() < deadline:
        time.sleep(0.05)
    return left


def wake(processes: Iterable[psutil.Process]) -> None:
    """Let paused processes go on (a killed proof may have left one so); the others do not notice."""
    _each(processes, psutil.Process.resume)


def _marks(home: Home) -> Iterator[tuple[psutil.Process, str]]:
    ourselves = {psutil.Process().pid, *(p.pid for p in psutil.Process().parents())}
    for process in psutil.process_iter():
        with contextlib.suppress(psutil.Error, OSError):
            if process.pid not in ourselves and _lives(process):
                environment = process.environ()
                if environment.get(MARK) == str(home.root):
                    yield process, environment.get(PART, "")


def _each(processes: Iterable[psutil.Process], act: Callable[[psutil.Process], None]) -> None:
    for process in processes:
        with contextlib.suppress(psutil.Error):
            act(process)


def _path(link: str) -> str:
    # The kernel says so of a folder that was removed, also when a new one stands in its place.
    return link.removesuffix(" (deleted)")


def _alive(pid: int) -> psutil.Process | None:
    with contextlib.suppress(psutil.Error):
        process = psutil.Process(pid)
        return process if _lives(process) else None
    return None


def _lives(process: psutil.Process) -> bool:
    with contextlib.suppress(psutil.Error):
        # A zombie whose parent does not collect it (pid 1 of a container, often) has ended all the same.
        return process.is_running() and process.status() != psutil.STATUS_ZOMBIE
    return False


def _started(process: psutil.Process) -> float:
    with contextlib.suppress(psutil.Error):
        return process.create_time()
    return 0.0
