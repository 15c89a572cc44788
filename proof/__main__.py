"""Prove that a running Farebox holds what it promises: `python -m proof`.

Exit code 0: every line holds. 1: a line failed. 2: Farebox cannot be reached. 3: none failed, but some could not run.
130: stopped by Ctrl-C.
"""

from __future__ import annotations

import argparse
import json
import sys
import time
from dataclasses import asdict, is_dataclass
from pathlib import Path
from typing import Any

import httpx

from proof import books, faults, forgery, prices, purchase, recurring, refund
from proof.lines import LINES, Outcome, State, run_one
from proof.run import Run
from proof.settings import SettingMissing, Settings, load
from proof.show import Screen

MODULES = (prices, purchase, forgery, recurring, refund, faults, books)
CANNOT_START = 2
STOPPED = 130


def main() -> int:
    """Run the lines in order, show each, and return the exit code."""
    options = _options()
    screen = Screen()
    try:
        run = Run(load(options.url))
        run.parts()
    except (SettingMissing, httpx.HTTPError) as reason:
        screen.say(f"Farebox cannot be asked: {reason}", "red")
        return CANNOT_START
    screen.say(f"Farebox at {run.settings.url}, {_stripe(run.settings)}\n")
    began = time.perf_counter()
    outcomes = []
    for _, line in sorted(LINES.items()):
        with screen.working(line):
            outcome = run_one(line, run)
        screen.show(outcome)
        outcomes.append(outcome)
    seconds = time.perf_counter() - began
    held = sum(outcome.state is State.HOLDS for outcome in outcomes)
    screen.say(f"\n{held} of {len(outcomes)} in {seconds:.1f} s", "bold green" if held == len(outcomes) else "bold red")
    if options.json:
        options.json.write_text(json.dumps(_report(run, outcomes, seconds), indent=2) + "\n")
    return code(outcomes)


def _options() -> argparse.Namespace:
    parser = argparse.ArgumentParser(prog="python -m proof", description=__doc__.splitlines()[0])
    parser.add_argument("--url", help="where Farebox is; without it http://127.0.0.1 and the configured port")
    parser.add_argument("--json", type=Path, metavar="FILE", help="write the outcome of every line here")
    return parser.parse_args()


def _stripe(settings: Settings) -> str:
    return f"the Stripe sandbox at {settings.stripe_base}" if settings.has_sandbox else "Stripe itself"


def code(outcomes: list[Outcome]) -> int:
    """Return the exit code: 0 holds, 1 failed, 3 not all could run."""
    states = {outcome.state for outcome in outcomes}
    return 1 if State.FAILED in states else 3 if State.NOT_RUN in states else 0


def _report(run: Run, outcomes: list[Outcome], seconds: float) -> dict[str, Any]:
    lines = [
        {
            "number": outcome.line.number,
            "title": outcome.line.title,
            "state": outcome.state,
            "milliseconds": round(outcome.seconds * 1000, 1),
            "figures": [asdict(f) if is_dataclass(f) else f for f in outcome.figures],
            "why": outcome.why,
        }
        for outcome in outcomes
    ]
    return {"url": run.settings.url, "seconds": round(seconds, 3), "lines": lines}


if __name__ == "__main__":
    try:
        sys.exit(main())
    except KeyboardInterrupt:
        print("\nStopped.", file=sys.stderr)
        sys.exit(STOPPED)
