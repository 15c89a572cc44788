"""What is measured without a flood of requests: memory, and the client."""

from __future__ import annotations

import importlib.util
import json
import subprocess
import sys
from collections.abc import Callable
from typing import Any

from benchmarks import check_freshness
from benchmarks.arena import ROOT, Arena
from benchmarks.check_paths import OURS, UNREFUSED, service_token
from benchmarks.verdicts import NotHere

# What was found in words, and goals as (name, found, wanted, at least).
Said = dict[str, Any]


def memory(place: Arena) -> Said:
    """Count the bytes that a user takes in a process and in Valkey."""
    found = _asked(place, "benchmarks.check_memory")
    return {
        "said": f"{found['process']:.0f} bytes a user in a process, {found['valkey']:.0f} in Valkey",
        "goals": [
            ("bytes a user in a process", found["process"], 250, False),
            ("bytes a user in Valkey", found["valkey"], 250, False),
        ],
    }


def client(place: Arena) -> Said:
    """Time a check that the client for applications has in its memory."""
    if importlib.util.find_spec("farebox_client") is None:
        raise NotHere("there is no client yet")
    with place.having(**UNREFUSED).serving("client", OURS) as address:
        asking = place.having(FAREBOX_URL=address, FAREBOX_TOKEN=service_token(place.environment["JWT_SECRET"]))
        found = _asked(asking, "benchmarks.check_client")
    return {
        "said": f"{found['us']:.2f} us for a check that is in memory",
        "goals": [("cached check in the client, us", found["us"], 1, False)],
    }


def _asked(place: Arena, module: str) -> dict[str, Any]:
    if importlib.util.find_spec(module) is None:
        raise NotHere("it is not written yet")
    words = [sys.executable, "-m", module]
    done = subprocess.run(words, cwd=ROOT, env=place.environment, check=True, capture_output=True, text=True)
    found: dict[str, Any] = json.loads(done.stdout.strip().splitlines()[-1])
    return found


LONE: dict[str, Callable[[Arena], Said]] = {"memory": memory, "freshness": check_freshness.measure, "client": client}
