"""What usage is measured beside: `pgbench` with a plain UPDATE, of one row and of many."""

from __future__ import annotations

import json
import re
import shutil
import subprocess
from collections.abc import Iterator
from pathlib import Path

import psycopg

from benchmarks.check_seeds import user
from benchmarks.wrk import Ask

Headers = tuple[tuple[str, str], ...]
HOT, MANY, AT_ONCE = "usage, one subject", "usage, many subjects", "usage, 1,000 a call"
SINGLE = "usage, a statement each"
PATH, BATCH = "/api/v1/usage", "/api/v1/usage/batch"
SUBJECTS, EVENTS, BATCHES = 1000, 200_000, 400
TABLE = "CREATE TABLE IF NOT EXISTS plain (id int PRIMARY KEY, used bigint NOT NULL) WITH (fillfactor = 50)"
# Nobody reaches it: what is measured is counting, not refusing.
ENDLESS = """
    UPDATE entitlements_entitlement SET "limit" = 1000000000000 WHERE feature_code = 'api_calls'
"""
SUMS = """
    SELECT (SELECT coalesce(sum(used), 0) FROM entitlements_usagecounter WHERE member = ''),
        (SELECT coalesce(sum(units), 0) FROM entitlements_usageevent)
"""
# What records one use, by itself. A colon would be a variable of pgbench's.
STATEMENT = """
    SELECT (entitlements_draw(entitlements_uuid7(), 'floor', gen_random_uuid()::text, '', substr(subject, 6),
        feature_code, 1, now(), now(), NULL, '{}', ARRAY[subject::text], ARRAY[pool], ARRAY[member::text],
        ARRAY[period_start], ARRAY[period_end], ARRAY[1000000000000], ARRAY[false], ARRAY[NULL::timestamptz],
        ARRAY[NULL::bigint], ARRAY[0], 1, false, ARRAY[80, 100], false, 1)).said
    FROM entitlements_usagecounter WHERE subject = 'user' || chr(58) || '%s'
"""


class Uneven(Exception):
    """The counters are not the sum of the events."""


def prepare(url: str) -> None:
    """Let every user use as much as he likes."""
    with psycopg.connect(url, autocommit=True) as connection:
        connection.execute("SET session_replication_role = replica")
        connection.execute(ENDLESS)
        connection.execute("SET session_replication_role = origin")
        connection.execute("DROP TABLE IF EXISTS plain")
        connection.execute(TABLE)
        connection.execute("INSERT INTO plain SELECT id, 0 FROM generate_series(1, %s) AS id", [SUBJECTS])


def floors(url: str, folder: Path, *, seconds: float, connections: int) -> dict[str, float]:
    """Return transactions a second of a plain UPDATE: of one row, and of many. Nothing without pgbench."""
    if not shutil.which("pgbench"):
        return {}
    found = {}
    for name, chosen in ((HOT, "1"), (MANY, f"random(1, {SUBJECTS})")):
        script = folder / "plain.sql"
        script.write_text(f"\\set id {chosen}\nUPDATE plain SET used = used + 1 WHERE id = :id;\n")
        found[name] = _rate(url, script, seconds=seconds, connections=connections)
    return found


def single(url: str, folder: Path, *, seconds: float) -> dict[str, float]:
    """Return uses a second of one connection that sends a statement for each. Nothing without pgbench."""
    script = folder / "single.sql"
    script.write_text(" ".join((STATEMENT % user(0)).split()) + ";\n")
    return {SINGLE: _rate(url, script, seconds=seconds, connections=1)} if shutil.which("pgbench") else {}


def _rate(url: str, script: Path, *, seconds: float, connections: int) -> float:
    words = ["pgbench", "-n", "-M", "prepared", "-c", str(connections), "-j", "1", "-T", str(max(1, round(seconds)))]
    done = subprocess.run([*words, "-f", str(script), url], capture_output=True, text=True, check=True)
    tps = re.search(r"tps = ([\d.]+)", done.stdout)
    return float(tps[1]) if tps else 0.0


def singles(headers: Headers, subjects: int, run: str) -> Iterator[Ask]:
    """Make one event a call, each another."""
    for number in range(EVENTS):
        said = {"user_id": user(number % subjects), "feature_code": "api_calls", "event_id": f"{run}-{number}"}
        yield Ask(PATH, headers, "POST", json.dumps(said))


def batches(headers: Headers, run: str) -> Iterator[Ask]:
    """Make 1,000 events a call."""
    for number in range(BATCHES):
        events = [
            {"user_id": user(place), "feature_code": "api_calls", "event_id": f"{run}-{number}-{place}"}
            for place in range(SUBJECTS)
        ]
        yield Ask(BATCH, headers, "POST", json.dumps({"events": events}))


def require_even(url: str) -> None:
    """Raise Uneven when the counters are not the sum of the events."""
    with psycopg.connect(url, autocommit=True) as connection:
        row = connection.execute(SUMS).fetchone()
    if row is None or row[0] != row[1]:
        raise Uneven(f"counted and written: {row}")
