"""Signed events, each another, and the two ways they are sent: as fast as it goes (wrk), and so many a second."""

from __future__ import annotations

import hashlib
import hmac
import http.client
import json
import re
import subprocess
import threading
import time
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path
from urllib.parse import urlsplit
from uuid import uuid4

CONNECTIONS = 32
LUA = """
local requests, i = {{}}, 0
function init(args)
  for line in io.lines("{file}") do
    local signature, body = line:match("^(%S+) (.*)$")
    requests[#requests + 1] = wrk.format("POST", "{path}", {{ ["Host"] = wrk.headers["Host"],
      ["Content-Type"] = "application/json", ["Stripe-Signature"] = signature }}, body)
  end
end
function request()
  i = i % #requests + 1
  return requests[i]
end
"""


@dataclass(frozen=True, slots=True)
class Round:
    """What one round has shown: good answers a second, and how many they were."""

    rate: float
    good: int


def event(type: str = "payment_intent.succeeded", looks_at: str = "pi_benchmark") -> dict[str, object]:
    """Make an event as long as a usual one of Stripe's (1.5 KB)."""
    shown = {
        "id": looks_at,
        "object": type.rpartition(".")[0],
        "amount": 2999,
        "currency": "usd",
        "metadata": {"padding": "x" * 1200},
    }
    return {
        "id": f"evt_{uuid4().hex}",
        "object": "event",
        "api_version": "2026-08-26.dahlia",
        "created": int(time.time()),
        "livemode": False,
        "pending_webhooks": 1,
        "request": {"id": None, "idempotency_key": None},
        "type": type,
        "data": {"object": shown},
    }


def signed(secret: str, count: int) -> Iterator[tuple[str, bytes]]:
    """Make signature and body of so many events."""
    stamp = int(time.time())
    for _ in range(count):
        body = json.dumps(event()).encode()
        digest = hmac.new(secret.encode(), f"{stamp}.".encode() + body, hashlib.sha256).hexdigest()
        yield f"t={stamp},v1={digest}", body


def flood(url: str, *, secret: str, folder: Path, seconds: int, count: int) -> Round:
    """Send as fast as it goes, on 32 connections, until the time or the events are over."""
    file, script = folder / "events.txt", folder / "load.lua"
    with file.open("wb") as out:
        out.writelines(signature.encode() + b" " + body + b"\n" for signature, body in signed(secret, count))
    script.write_text(LUA.format(file=file, path=urlsplit(url).path))
    words = ["wrk", "-t1", f"-c{CONNECTIONS}", f"-d{seconds}s", "-s", str(script), url]
    said = subprocess.run(words, capture_output=True, text=True, check=True).stdout
    if not (summary := re.search(r"(\d+) requests in ([\d.]+)(m?s)", said)):
        raise RuntimeError(f"wrk said: {said}")
    total, took, unit = summary.groups()
    bad = re.search(r"Non-2xx or 3xx responses: (\d+)", said)
    good = int(total) - (int(bad[1]) if bad else 0)
    seconds_taken = float(took) * {"s": 1, "ms": 0.001}[unit]
    return Round(good / seconds_taken, good)


def paced(url: str, *, secret: str, rate: int, seconds: int) -> list[float]:
    """Send so many a second, and return the milliseconds from when each was due until it was answered, sorted."""
    events, threads, lock = list(signed(secret, rate * seconds)), 16, threading.Lock()
    found: list[float] = []
    began = time.perf_counter() + 0.5

    def send(first: int) -> None:
        split = urlsplit(url)
        caller = http.client.HTTPConnection(split.hostname or "", split.port, timeout=30)
        for number in range(first, len(events), threads):
            signature, body = events[number]
            due = began + number / rate
            time.sleep(max(0.0, due - time.perf_counter()))
            headers = {"Stripe-Signature": signature, "Content-Type": "application/json"}
            caller.request("POST", split.path, body, headers)
            answer = caller.getresponse()
            answer.read()
            if answer.status != 200:
                raise RuntimeError(f"{answer.status} in the stead of 200")
            with lock:
                found.append((time.perf_counter() - due) * 1000)

    workers = [threading.Thread(target=send, args=(number,)) for number in range(threads)]
    for worker in workers:
        worker.start()
    for worker in workers:
        worker.join()
    if len(found) != len(events):
        raise RuntimeError("An event was not answered 200.")
    return sorted(found)
