"""Line 11: the doorbells are away."""

from __future__ import annotations

import time

from proof import buyer, stopping
from proof.expecting import true, until
from proof.lines import Figures, line
from proof.prices import PLAN
from proof.purchase import FEATURE
from proof.run import Run

# The sweeper takes what the bell left lying for 1 s, at its next round.
SWEPT = 30
PAUSE = 15
# Quicker than any sweep.
PROMPT = 0.9
TRIES = 5


@line(11, "Worker stopped during a purchase: access still arrives; Valkey stopped: checks answer", needs_sandbox=True)
def without_doorbells(run: Run) -> Figures:
    """Celery and Valkey only make things quick: without them access is late, never lost."""
    # A worker that stands still in the middle of its work is another case than one that is away.
    run.await_quiet()
    with stopping.worker(run.settings) as done:
        seconds = _buy(run)
        yield f"{done}: paid, and access {seconds:.1f} s later by the sweeper"
    with stopping.valkey(run.settings, seconds=PAUSE) as done:
        checks = [_timed_check(run) for _ in range(5)]
        true("slowest check without Valkey", max(checks) < 1, f"{max(checks):.3f} s", expected="under 1 s")
        yield f"{done}: {len(checks)} checks answered, the slowest in {max(checks) * 1000:.0f} ms"
        seconds = _buy(run)
        yield f"paid meanwhile, and access {seconds:.1f} s later"
    _await_valkey(run)
    seconds = _await_bell(run)
    yield f"Valkey is back: the bell rings again, access {seconds * 1000:.0f} ms after paying"


def _await_bell(run: Run) -> float:
    """Buy until access comes at once again: web keeps the bell still for some seconds after it was lost."""
    took = [_buy(run)]
    while took[-1] > PROMPT and len(took) < TRIES:
        took.append(_buy(run))
    true(
        "seconds to access with Valkey back", took[-1] <= PROMPT, [f"{s:.1f}" for s in took], expected=f"under {PROMPT}"
    )
    return took[-1]


def _buy(run: Run) -> float:
    """Buy, and return the seconds from the buyer's last click to access."""
    person = run.new_person("IN")
    opened, _ = person.open_checkout(PLAN)
    began = time.perf_counter()
    true("the buyer's way back", buyer.pay(opened["url"], card=buyer.GOOD_CARD).paid, False)
    until("access", lambda: person.check(FEATURE), lambda c: bool(c["allowed"]), expected="granted", within=SWEPT)
    return time.perf_counter() - began


def _timed_check(run: Run) -> float:
    began = time.perf_counter()
    run.opened().person.check(FEATURE)
    return time.perf_counter() - began


def _await_valkey(run: Run) -> None:
    until("Valkey", run.parts, lambda parts: parts.get("valkey") == "ok", expected="back", within=PAUSE + 5)
