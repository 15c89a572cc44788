"""How soon a change shows in every process, and what many changes cost those who ask meanwhile."""

from __future__ import annotations

import contextlib
import http.client
import json
import subprocess
import sys
import threading
import time
from collections.abc import Iterator
from concurrent.futures import ThreadPoolExecutor
from contextlib import ExitStack
from dataclasses import dataclass
from statistics import median, quantiles
from typing import Any, NamedTuple
from urllib.parse import urlsplit

from benchmarks import arena, check_paths, wrk
from benchmarks.arena import CHECKS_THREADS, ROOT, Arena
from benchmarks.check_paths import CHECK, OURS, UNREFUSED, WARM_USERS, service_token
from benchmarks.check_seeds import user

CHANGES_A_SECOND, ROUNDS, SECONDS, CONNECTIONS = 1000, 3, 5.0, 16
# From the user on whom nobody else asks about.
FIRST, REVOCATIONS, TURNING_SECONDS, PATIENCE_SECONDS = WARM_USERS, 200, 30.0, 35.0
# Whose grants are changed: of everybody in the table, one in eight of whom is asked about; or of these alone. Of 0, by
# the functions that billing calls.
SPREAD = {"spread": 8000, "asked about": WARM_USERS, "by grants.suspend and resume": 0}
# So often no in a row, and no yes came after it.
NO_MORE, BETWEEN_SECONDS = 3, 0.0005
SHARE, P99_MS, BOUND_MS = 0.8, 5.0, 30_000.0
Words = dict[str, Any]


@dataclass(slots=True)
class Turned:
    """What one process said of a grant that was taken away: its last yes, and its first no, as (asked, answered)."""

    yes: tuple[float, float] = (0.0, 0.0)
    no: tuple[float, float] = (0.0, 0.0)

    def late(self, committed: float) -> float:
        """Return how many milliseconds after the commit somebody asked who was still told yes."""
        return max(0.0, self.yes[0] - committed) * 1000

    def known(self, committed: float) -> float:
        """Return how many milliseconds after the commit the first no was in somebody's hands."""
        return max(0.0, self.no[1] - committed) * 1000


def measure(place: Arena) -> Words:
    """Measure both beside two servers on one core; everything else has the other."""
    server_core, load_core = arena.cores()
    with ExitStack() as stack:
        served = [
            stack.enter_context(
                place.having(**UNREFUSED).served(f"fresh-{name}", OURS, core=server_core, threads=CHECKS_THREADS)
            )
            for name in ("one", "other")
        ]
        many = stack.enter_context(_worker(place, str(CHANGES_A_SECOND), load_core))
        once = stack.enter_context(_worker(place, "once", load_core))
        flood = _Flood(place, *served[0], load_core)
        flood.run(SECONDS)
        rates = _rates(flood, many)
        asked = _Asked(place, [address for address, _ in served], once)
        quiet = asked.turns(FIRST)
        with flood.going(), _going(many):
            loaded = asked.turns(FIRST + REVOCATIONS)
    return _said(rates, quiet, loaded)


# When it was committed, and what each process said.
Turn = tuple[float, list[Turned]]


class Beside(NamedTuple):
    """A round of checks, how many changes a second were made beside it, and what each took of their own process."""

    round: wrk.Round
    made: float = 0.0
    cpu_us: float = 0.0


class _Flood:
    def __init__(self, place: Arena, address: str, server: int, core: int | None):
        asks = check_paths.WARM(place.environment["JWT_SECRET"], WARM_USERS)
        self._file = wrk.write(place.logs / "fresh.txt", asks)
        self._address, self._load = address, {"core": core, "server": server, "connections": CONNECTIONS}

    def run(self, seconds: float) -> wrk.Round:
        found = wrk.flood(self._address, self._file, seconds=seconds, **self._load)  # type: ignore[arg-type]
        if found.bad:
            raise RuntimeError(f"{found.bad} answers were no 2xx")
        return found

    @contextlib.contextmanager
    def going(self) -> Iterator[None]:
        """Ask as fast as it goes while the block runs."""
        over = threading.Event()
        with ThreadPoolExecutor(1) as pool:
            running = pool.submit(self._until, over)
            try:
                yield
            finally:
                over.set()
            running.result()

    def _until(self, over: threading.Event) -> None:
        while not over.is_set():
            self.run(1)


def _rates(flood: _Flood, many: subprocess.Popen[str]) -> dict[str, list[Beside]]:
    """Alternate rounds without changes, with changes of users of the whole table, and of those who are asked about."""
    found: dict[str, list[Beside]] = {}
    for _ in range(ROUNDS):
        found.setdefault("alone", []).append(Beside(flood.run(SECONDS)))
        for name, users in SPREAD.items():
            _tell(many, f"{SECONDS} {users}")
            beside = flood.run(SECONDS)
            done = json.loads(_line(many))
            made = max(done["changed"], 1)
            found.setdefault(name, []).append(Beside(beside, made / done["seconds"], done["cpu"] / made * 1e6))
    return found


class _Asked:
    """Servers that are asked of a grant again and again while it is taken away."""

    def __init__(self, place: Arena, addresses: list[str], once: subprocess.Popen[str]):
        self._secret, self._addresses, self._once = place.environment["JWT_SECRET"], addresses, once

    def turns(self, first: int) -> list[Turn]:
        """Take away one after the other, from this user on, for half a minute at most."""
        found: list[Turn] = []
        token, end = service_token(self._secret), time.monotonic() + TURNING_SECONDS
        with ThreadPoolExecutor(len(self._addresses)) as pool:
            while len(found) < REVOCATIONS and time.monotonic() < end:
                found.append(self._turn(first + len(found), token, pool))
        return found

    def _turn(self, number: int, token: str, pool: ThreadPoolExecutor) -> Turn:
        answering = threading.Barrier(len(self._addresses) + 1)
        asking = [pool.submit(_ask_until_no, each, token, number, answering) for each in self._addresses]
        answering.wait(PATIENCE_SECONDS)
        _tell(self._once, str(number))
        committed = float(_line(self._once))
        return committed, [each.result() for each in asking]


def _ask_until_no(address: str, token: str, number: int, answering: threading.Barrier) -> Turned:
    split = urlsplit(address)
    caller = http.client.HTTPConnection(split.hostname or "", split.port, timeout=10)
    found, noes, path = Turned(), 0, CHECK.format(user(number))
    end = time.monotonic() + PATIENCE_SECONDS
    while noes < NO_MORE:
        # Two of them would keep the servers' core from all else.
        time.sleep(BETWEEN_SECONDS)
        asked = time.monotonic()
        if asked > end:
            raise RuntimeError(f"{path} is still answered yes")
        caller.request("GET", path, headers={"Authorization": f"Bearer {token}"})
        is_yes, answered = json.loads(caller.getresponse().read())["allowed"], time.monotonic()
        if is_yes and not found.yes[0]:
            answering.wait(PATIENCE_SECONDS)
        if is_yes:
            found.yes, noes = (asked, answered), 0
        else:
            found.no, noes = (found.no if noes else (asked, answered)), noes + 1
    caller.close()
    return found


@contextlib.contextmanager
def _worker(place: Arena, words: str, core: int | None) -> Iterator[subprocess.Popen[str]]:
    pinned = [] if core is None else ["taskset", "-c", str(core)]
    with subprocess.Popen(
        [*pinned, sys.executable, "-m", "benchmarks.check_changes", words],
        stdin=subprocess.PIPE,
        stdout=subprocess.PIPE,
        text=True,
        cwd=ROOT,
        env=place.environment,
    ) as process:
        while _line(process).strip() != "ready":
            pass
        yield process


@contextlib.contextmanager
def _going(many: subprocess.Popen[str]) -> Iterator[None]:
    """Let changes be made while the block runs."""
    over = threading.Event()
    with ThreadPoolExecutor(1) as pool:
        running = pool.submit(_until, many, over)
        try:
            yield
        finally:
            over.set()
        running.result()


def _until(many: subprocess.Popen[str], over: threading.Event) -> None:
    while not over.is_set():
        _tell(many, f"1 {SPREAD['spread']}")
        _line(many)


def _tell(process: subprocess.Popen[str], words: str) -> None:
    assert process.stdin
    process.stdin.write(words + "\n")
    process.stdin.flush()


def _line(process: subprocess.Popen[str]) -> str:
    assert process.stdout
    if not (line := process.stdout.readline()):
        raise RuntimeError("The process that changes has ended.")
    return line


def _said(rates: dict[str, list[Beside]], quiet: list[Turn], loaded: list[Turn]) -> Words:
    rate = {name: median(each.round.rate for each in of) for name, of in rates.items()}
    cpu = {name: median(each.round.cpu for each in of) for name, of in rates.items()}
    changes = {name: median(each.made for each in of) for name, of in rates.items()}
    own = {name: median(each.cpu_us for each in of) for name, of in rates.items()}
    words = [f"{rate['alone']:,.0f} checks a second alone, at {cpu['alone']:.1f} us of CPU"]
    for name in list(rates)[1:]:
        words.append(
            f"{rate[name]:,.0f} at {cpu[name]:.1f} us beside {changes[name]:,.0f} changes a second of users {name},"
            f" each {own[name]:,.0f} us of its own process"
        )
    late = {"quiet": _milliseconds(quiet), "under load": _milliseconds(loaded)}
    for name, (old, new) in late.items():
        words.append(
            f"{name}: {len(old)} times a process learned of a commit; the last old answer was asked for"
            f" {median(old):.2f} ms after it (p99 {_p99(old):.2f}, longest {max(old):.2f}), the first new one was there"
            f" {median(new):.2f} ms after it (p99 {_p99(new):.2f})"
        )
    olds, news = zip(*late.values(), strict=True)
    # What checks cost more beside the changes, each second and for each change: us, of a core that has 10^6 a second.
    dearer = (cpu["spread"] - cpu["alone"]) * rate["spread"] / changes["spread"]
    taken = max(0.0, dearer * CHANGES_A_SECOND / 1e6)
    return {
        "said": "; ".join(words) + ".",
        "goals": [
            ("changes a second that were made", changes["spread"], 0.97 * CHANGES_A_SECOND, True),
            ("rate of checks beside the changes / alone", rate["spread"] / rate["alone"], SHARE, True),
            ("the server's core that 1,000 changes a second take, by those made", taken, 1 - SHARE, False),
            ("commit to the last old answer of every process, p99 ms", _p99(olds[0]), P99_MS, False),
            ("the last old answer under load and changes, p99 ms", _p99(olds[1]), P99_MS, False),
            ("commit to the first new answer of every process, p99 ms", _p99(news[0]), P99_MS, False),
            ("the first new answer under load and changes, p99 ms", _p99(news[1]), P99_MS, False),
            ("commit to the last old answer, longest, ms", max(map(max, olds)), BOUND_MS, False),
        ],
    }


def _milliseconds(turns: list[Turn]) -> tuple[list[float], list[float]]:
    each = [(turned, committed) for committed, of in turns for turned in of]
    return [turned.late(at) for turned, at in each], [turned.known(at) for turned, at in each]


def _p99(found: list[float]) -> float:
    return quantiles(found, n=100)[-1]
