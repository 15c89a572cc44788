"""How fast checks are answered, beside a bare hello, Django's hello and what others would use, on this machine.

    python -m benchmarks.check [warm cold ...] [--rounds 3] [--seconds 10] [--rows 1000000] [--json FILE]

Needs `wrk` on the PATH. It starts its own Postgres, Valkey and servers on loopback, and ends them. The server has one
core and the load another.
"""

from __future__ import annotations

import argparse
import json
import os
import shutil
import subprocess
import sys
from collections.abc import Sequence
from pathlib import Path
from statistics import median
from typing import Any

import httpx
import psycopg
import redis

from benchmarks import arena, check_goals, check_lone, check_paths, check_scale, check_seeds, check_usage, wrk
from benchmarks.check_paths import GROUPS, PATHS, Measured
from benchmarks.verdicts import NotHere

CONNECTIONS = 16
FEWEST_ROWS = 50_000
# So many that nobody is asked for twice in the two seconds and one that this path then gets.
FEWEST_COLD_ROWS, MOST_COLD_A_SECOND = 200_000, 12_000
# Enough to have seen every user and every token, and soon enough for the first to be remembered still.
WARM_AFTER, LONGEST_WARMING = 50_000, 10


def main() -> int:
    """Measure and print; 0 also when a goal is missed: the table says so."""
    asked = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    asked.add_argument("groups", nargs="*", metavar="path", help=f"of {', '.join(GROUPS)}; all when none is named")
    asked.add_argument("--rounds", type=int, default=3)
    asked.add_argument("--seconds", type=float, default=10)
    asked.add_argument(
        "--rows", type=int, default=1_000_000, help="grants in the table that `cold` compares with 10,000"
    )
    asked.add_argument("--json", type=Path)
    wanted = asked.parse_args()
    if unknown := set(wanted.groups) - set(GROUPS):
        asked.error(f"no such path: {', '.join(sorted(unknown))}")
    if not shutil.which("wrk"):
        print("This needs wrk: apt-get install wrk", file=sys.stderr)
        return 2
    with arena.opened(durable=True) as place:
        groups = wanted.groups or list(GROUPS)
        found = Measurement(place, wanted.rounds, wanted.seconds, wanted.rows).run(groups)
    print(check_goals.table(found))
    text = json.dumps(found, indent=2)
    print(f"\n```json\n{text}\n```")
    if wanted.json:
        wanted.json.write_text(text)
    return 0


class Measurement:
    """One run: its servers, and what was found so far."""

    def __init__(self, place: arena.Arena, rounds: int, seconds: float, rows: int):
        self._rounds, self._seconds, self._rows = rounds, seconds, rows
        self._cores = arena.cores()
        self._place = place.having(PEER_DATABASE=str(place.logs / "peers.sqlite3"))
        self._secret = place.environment["JWT_SECRET"]
        self._users = 0
        self._python = ""
        self._found: dict[str, Any] = {"rounds": {}, "floors": {}, "skipped": {}, "lone": {}}

    def run(self, groups: Sequence[str]) -> dict[str, Any]:
        """Seed, measure the named groups in alternating rounds beside F0, then what needs no load."""
        self._seed(FEWEST_COLD_ROWS if "cold" in groups else FEWEST_ROWS)
        if "usage" in groups:
            self._floors()
        beside = {"warm"} if "bulk" in groups else set()
        paths = [path for path in PATHS if (path.group in {"F0", *groups} or path.name in beside) and self._can(path)]
        self._alternate(paths)
        if "usage" in groups:
            url = self._place.environment["DATABASE_URL"]
            self._found["floors"] |= check_usage.single(url, self._place.logs, seconds=self._seconds)
        if "cold" in groups:
            self._found["lone"]["scale"] = check_scale.measure(self._place, rows=self._rows, rounds=self._rounds)
        for group in groups:
            if lone := check_lone.LONE.get(group):
                try:
                    self._found["lone"][group] = lone(self._place)
                except NotHere as reason:
                    self._found["skipped"][group] = str(reason)
        return {**self._found, "machine": self._machine(), "groups": list(groups)}

    def _seed(self, rows: int) -> None:
        users = max(rows // check_seeds.GRANTS, check_paths.WARM_USERS)
        url = self._place.environment["DATABASE_URL"]
        check_seeds.fill(url, users=users - self._users, first=self._users)
        self._users = users

    def _floors(self) -> None:
        url = self._place.environment["DATABASE_URL"]
        check_usage.prepare(url)
        floors = [
            check_usage.floors(url, self._place.logs, seconds=self._seconds, connections=CONNECTIONS)
            for _ in range(self._rounds)
        ]
        self._found["floors"] = {name: median(each[name] for each in floors) for name in floors[0]}

    def _can(self, path: Measured) -> bool:
        if not path.is_peer:
            return True
        try:
            self._python = self._python or check_paths.peers_python(arena.ROOT / "var" / "peers")
        except (OSError, subprocess.CalledProcessError) as reason:
            self._found["skipped"][path.name] = f"its packages cannot be installed: {type(reason).__name__}"
            return False
        peer = path.application.split(".")[2]
        words = [self._python, "-m", "benchmarks.peers.preparation", peer, str(check_paths.WARM_USERS)]
        # In a database of its own, which is not emptied for ours.
        subprocess.run(words, cwd=arena.ROOT, env=self._place.apart().environment, check=True, stdout=sys.stderr)
        return True

    def _alternate(self, paths: Sequence[Measured]) -> None:
        for _ in range(self._rounds):
            for path in paths:
                try:
                    found = self._round(path)
                except NotHere as reason:
                    self._found["skipped"][path.name] = str(reason)
                else:
                    self._found["rounds"].setdefault(path.name, []).append(found)

    def _round(self, path: Measured) -> dict[str, float]:
        requests = wrk.write(self._place.logs / "requests.txt", path.asks(self._secret, self._users))
        place = (self._place.apart() if path.is_peer else self._place).having(**path.environment)
        python = self._python if path.is_peer else sys.executable
        if path.empties_valkey:
            redis.Redis.from_url(place.environment["REDIS_URL"]).flushdb()
        core, name = self._cores[0], path.name.replace(" ", "-")
        served = {"core": core, "python": python, "threads": path.threads}
        with (
            path.served(place, core) if path.served else place.served(name, path.application, **served) as (
                address,
                process,
            )
        ):
            self._look(address, requests)
            load: dict[str, Any] = {"core": self._cores[1], "server": process}
            if not path.fresh:
                _warm(address, requests, load)
            seconds = self._seconds if path.group != "cold" else _cold_seconds(requests, self._seconds)
            before = self._trips()
            many = wrk.flood(address, requests, seconds=seconds, connections=CONNECTIONS, start=100, **load)
            after = self._trips()
            half = max(1, round(seconds / 2))
            lone = wrk.flood(address, requests, seconds=half, connections=1, start=many.count + 200, **load)
        with requests.open() as lines:
            if path.fresh and sum(1 for _ in lines) < many.count + lone.count + 200:
                raise NotHere("its requests ran out, and were sent again: take fewer seconds, or more rows")
        if path.group == "usage":
            check_usage.require_even(place.environment["DATABASE_URL"])
        if many.bad or lone.bad:
            raise RuntimeError(f"{path.name}: {many.bad + lone.bad} answers were no 2xx")
        trips = {name: round((after[name] - before[name]) / max(many.count, 1), 3) for name in after}
        return {**_figures(many, lone), **trips}

    @staticmethod
    def _look(address: str, requests: Path) -> None:
        """Look at an answer: who is fast and wrong is not compared."""
        method, path, headers, body = requests.read_text().split("\n", 1)[0].split("\t")
        said = dict(part.split("=", 1) for part in headers.split("\x01") if part)
        # A server of one core needs a while for its first.
        answer = httpx.request(method, address + path, headers=said, content=body or None, timeout=30)
        if answer.status_code == 404:
            raise NotHere("there is no such route yet")
        answer.raise_for_status()
        if "check?" in path and answer.json()["allowed"] is not True:
            raise RuntimeError(f"a wrong answer: {answer.text}")

    def _trips(self) -> dict[str, int]:
        """Count the transactions of Postgres, and what Valkey has read and done so far, by those who ask."""
        with psycopg.connect(self._place.environment["DATABASE_URL"], autocommit=True) as connection:
            # Backends tell what they did at the latest a second after it.
            connection.execute("SELECT pg_sleep(1.1)")
            row = connection.execute(
                "SELECT xact_commit + xact_rollback FROM pg_stat_database WHERE datname = current_database()"
            ).fetchone()
        valkey: Any = redis.Redis.from_url(self._place.environment["REDIS_URL"])
        stats = valkey.info("stats")
        return {
            "transactions": int(row[0]) if row else 0,
            "commands": int(stats["total_commands_processed"]),
            # Many commands that are sent together are read together.
            "reads": int(stats["total_reads_processed"]),
        }

    def _machine(self) -> dict[str, Any]:
        pinned = self._cores[0] is not None
        return {"cores": os.cpu_count(), "load": os.getloadavg()[0], "pinned": pinned, "users": self._users}


def _cold_seconds(requests: Path, seconds: float) -> float:
    with requests.open() as lines:
        return max(1, min(seconds, sum(1 for _ in lines) // MOST_COLD_A_SECOND))


def _figures(many: wrk.Round, lone: wrk.Round) -> dict[str, float]:
    return {
        "rate": round(many.rate),
        "p50": many.p50,
        "p99": many.p99,
        "cpu_us": round(many.cpu, 1),
        "p50_alone": lone.p50,
        "p99_alone": lone.p99,
        "count": many.count,
    }


def _warm(address: str, requests: Path, load: dict[str, Any]) -> None:
    """Ask until everything was asked for, or for ten seconds."""
    with requests.open() as lines:
        wanted = min(sum(1 for _ in lines), WARM_AFTER)
    done = 0
    for _ in range(LONGEST_WARMING):
        done += wrk.flood(address, requests, seconds=1, connections=CONNECTIONS, start=done, **load).count
        if done >= wanted:
            return


if __name__ == "__main__":
    sys.exit(main())
