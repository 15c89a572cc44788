"""The load of checks: wrk on a core of its own, and how much the server's core had to do for it."""

from __future__ import annotations

import re
import subprocess
from collections.abc import Iterable
from dataclasses import dataclass
from pathlib import Path

import psutil

UNITS = {"us": 0.001, "ms": 1.0, "s": 1000.0}
# One request a line: method, path, headers as name=value, and the body, with tabs between.
LUA = """
local requests, i = {{}}, 0
function init(args)
  for line in io.lines("{file}") do
    local parts = {{}}
    for part in (line .. "\\t"):gmatch("([^\\t]*)\\t") do parts[#parts + 1] = part end
    local headers = {{ ["Host"] = wrk.headers["Host"] }}
    for name, value in parts[3]:gmatch("([^=\\1]+)=([^\\1]*)") do headers[name] = value end
    local body = parts[4]
    if body == "" then body = nil end
    requests[#requests + 1] = wrk.format(parts[1], parts[2], headers, body)
  end
  i = {start} % #requests
end
function request()
  i = i % #requests + 1
  return requests[i]
end
"""
# The last of them are sent by each connection before it hears that it was enough.
ENOUGH = """
local asked = 0
local next_request = request
function request()
  asked = asked + 1
  if asked >= {most} then wrk.thread:stop() end
  return next_request()
end
"""


@dataclass(frozen=True, slots=True)
class Ask:
    """One request."""

    path: str
    headers: tuple[tuple[str, str], ...] = ()
    method: str = "GET"
    body: str = ""

    @property
    def line(self) -> str:
        """Write it for the load generator."""
        headers = "\x01".join(f"{name}={value}" for name, value in self.headers)
        return "\t".join((self.method, self.path, headers, self.body))


@dataclass(frozen=True, slots=True)
class Round:
    """What one round has shown: answers a second, milliseconds of waiting, how many were no 2xx, CPU in us each."""

    rate: float
    p50: float
    p99: float
    count: int
    bad: int
    cpu: float


def write(file: Path, asks: Iterable[Ask]) -> Path:
    """Write requests where `flood` reads them."""
    with file.open("w") as out:
        out.writelines(ask.line + "\n" for ask in asks)
    return file


def flood(
    address: str,
    requests: Path,
    *,
    seconds: float,
    connections: int,
    core: int | None,
    server: int,
    start: int = 0,
    most: int | None = None,
) -> Round:
    """Send the requests of a file over and over, from the line `start` on, as fast as it goes.

    At most so many when it is told; the rate is then none.
    """
    script = requests.with_suffix(".lua")
    enough = ENOUGH.format(most=most) if most else ""
    script.write_text(LUA.format(file=requests, start=start) + enough)
    pinned = [] if core is None else ["taskset", "-c", str(core)]
    words = [*pinned, "wrk", "-t1", f"-c{connections}", f"-d{seconds:g}s", "--latency", "-s", str(script), address]
    before = worked(server)
    said = subprocess.run(words, capture_output=True, text=True, check=True).stdout
    return read(said, worked(server) - before)


def read(said: str, cpu: float = 0.0) -> Round:
    """Read what wrk says. Raises RuntimeError when it says something else."""
    summary = re.search(r"(\d+) requests in ([\d.]+)(us|ms|s|m)", said)
    waits = {share: re.search(rf"^\s+{share}%\s+([\d.]+)(us|ms|s)", said, re.MULTILINE) for share in (50, 99)}
    if not summary or not all(waits.values()):
        raise RuntimeError(f"wrk said: {said}")
    total = int(summary[1])
    took = float(summary[2]) * ({"m": 60.0}.get(summary[3]) or UNITS[summary[3]] / 1000)
    bad = re.search(r"Non-2xx or 3xx responses: (\d+)", said)
    p50, p99 = (float(wait[1]) * UNITS[wait[2]] for wait in waits.values() if wait)
    return Round(total / took, p50, p99, total, int(bad[1]) if bad else 0, cpu / max(total, 1) * 1e6)


def worked(process: int) -> float:
    """Return the seconds of CPU that a process and its children have used."""
    parent = psutil.Process(process)
    times = [each.cpu_times() for each in (parent, *parent.children(recursive=True))]
    return sum(each.user + each.system for each in times)
