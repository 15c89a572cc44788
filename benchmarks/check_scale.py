"""Whether a check that nobody remembers takes as long among millions of grants as among ten thousand.

Two databases of one server, alike but for their rows, are asked in turn: the same number of users, each once, in a new
process and with an empty Valkey.
"""

from __future__ import annotations

import random
import time
from collections.abc import Iterator
from dataclasses import dataclass
from statistics import median
from typing import Any

import psycopg
import redis
from psycopg import sql

from benchmarks import check_seeds, wrk
from benchmarks.arena import Arena, cores
from benchmarks.check_paths import CHECK, OURS, UNREFUSED, service_token
from benchmarks.verdicts import unstable
from benchmarks.wrk import Ask

FEW_ROWS, GOAL = 10_000, 1.1
# Of the users of the few rows each is asked for once: so many until everything is opened, then for each measurement.
OPENING, ASKED = 60, 780
# Long enough for all of them on a busy machine.
SECONDS = 4
CONNECTIONS = (1, 16)


@dataclass(frozen=True, slots=True)
class Table:
    """One database: what it holds, and where it is."""

    rows: int
    place: Arena

    @property
    def users(self) -> int:
        """Count who has grants in it."""
        return self.rows // check_seeds.GRANTS


def measure(place: Arena, *, rows: int, rounds: int) -> dict[str, Any]:
    """Fill two databases, and compare how long a check waits: alone, and among sixteen."""
    began = time.monotonic()
    tables = [Table(FEW_ROWS, _beside(place, "few")), Table(rows, _beside(place, "many"))]
    for table in tables:
        check_seeds.fill(table.place.environment["DATABASE_URL"], users=table.users)
    filled = time.monotonic() - began
    found: dict[tuple[int, int], list[float]] = {}
    for number in range(rounds):
        for table in tables:
            for connections, p50 in _round(table, number).items():
                found.setdefault((table.rows, connections), []).append(p50)
    typical = {key: median(each) for key, each in found.items()}
    said = "; ".join(
        f"{connections} at a time: p50 {typical[FEW_ROWS, connections]:.3f} ms among {FEW_ROWS:,} grants, "
        f"{typical[rows, connections]:.3f} ms among {rows:,}"
        for connections in CONNECTIONS
    )
    doubt = "; UNSTABLE: measure on a quieter machine" if any(map(unstable, found.values())) else ""
    return {
        "said": f"{said}; rows and indexes took {filled:.0f} s{doubt}",
        "goals": [
            (
                f"all cold, {connections} at a time: p50 among {rows:,} grants / among {FEW_ROWS:,}",
                typical[rows, connections] / typical[FEW_ROWS, connections],
                GOAL,
                False,
            )
            for connections in CONNECTIONS
        ],
        "rounds": {f"{rows} rows, {connections} connections": each for (rows, connections), each in found.items()},
    }


def _beside(place: Arena, name: str) -> Arena:
    """Make a database with the tables and the catalog of the arena's own, and without its grants."""
    url, _, own = place.environment["DATABASE_URL"].rpartition("/")
    with psycopg.connect(f"{url}/postgres", autocommit=True) as connection:
        connection.execute(
            sql.SQL("CREATE DATABASE {} TEMPLATE {}").format(sql.Identifier(f"{own}_{name}"), sql.Identifier(own))
        )
    made = place.having(DATABASE_URL=f"{url}/{own}_{name}")
    with psycopg.connect(made.environment["DATABASE_URL"], autocommit=True) as connection:
        # No trigger may refuse it, and nothing refers to a grant of them.
        connection.execute("SET session_replication_role = replica")
        connection.execute("TRUNCATE entitlements_entitlement, entitlements_epoch CASCADE")
    return made


def _round(table: Table, number: int) -> dict[int, float]:
    redis.Redis.from_url(table.place.environment["REDIS_URL"]).flushdb()
    requests = wrk.write(table.place.logs / "scale.txt", _asks(table, number))
    core, load_core = cores()
    place = table.place.having(**UNREFUSED)
    found = {}
    with place.served("scale", OURS, core=core, threads=1) as (address, process):
        load: dict[str, Any] = {"core": load_core, "server": process, "seconds": SECONDS}
        wrk.flood(address, requests, connections=1, most=OPENING, **load)
        start = OPENING
        for connections in CONNECTIONS:
            asked = wrk.flood(address, requests, connections=connections, start=start, most=ASKED, **load)
            if asked.bad:
                raise RuntimeError(f"{asked.bad} answers were no 2xx")
            found[connections] = asked.p50
            start += ASKED
    return found


def _asks(table: Table, number: int) -> Iterator[Ask]:
    headers = (("Authorization", f"Bearer {service_token(table.place.environment['JWT_SECRET'])}"),)
    # As likely the one as the other, and nobody twice.
    chosen = random.Random(number).sample(range(table.users), OPENING + len(CONNECTIONS) * ASKED)
    yield from (Ask(CHECK.format(check_seeds.user(each)), headers) for each in chosen)
